defmodule Davit.CollectorTest do
  use ExUnit.Case, async: false

  alias Davit.Collector.{Budget, Exits, Nursery, Tenured, SelfTest, Token}
  alias Davit.{Fake, Tensor}

  # The collector by itself: what it frees goes into a table, and freeing a thing twice fails.
  defmodule Ledger do
    def free(items, table), do: for(item <- items, do: true = :ets.insert_new(table, {item}))
  end

  defp collector(first \\ Nursery) do
    table = :ets.new(:freed, [:public, write_concurrency: true])
    number = System.unique_integer([:positive])
    [nursery, tenured] = [:"nursery#{number}", :"tenured#{number}"]
    free = {Ledger, :free, [table]}
    {:ok, tenured_pid} = Tenured.start_link(tenured, free)

    {:ok, pid} =
      if first == Nursery,
        do: Nursery.start_link(nursery, tenured, free),
        else: Exits.start_link(nursery, free)

    %{
      nursery: pid,
      tenured: tenured,
      tenured_pid: tenured_pid,
      table: table,
      ids: :atomics.new(1, [])
    }
  end

  defp mint(c, bytes \\ 0) do
    id = :atomics.add_get(c.ids, 1, 1)
    token = Token.new(id, bytes)
    send(c.nursery, {:own, [{id, token}], self()})
    {id, token}
  end

  defp sweep(c) do
    :ok = Nursery.flush(c.nursery)
    :ok = Tenured.sweep(c.tenured)
  end

  defp freed?(c, id), do: :ets.member(c.table, id)

  test "this VM counts references as the collector needs" do
    assert SelfTest.passes?()
  end

  test "tokens with ids in a row differ in size, and are long enough to be counted" do
    for bytes <- [0, 100_000, 1_000_000_000] do
      sizes = for id <- 1..Token.slots(), do: byte_size(Token.new(id, bytes))
      assert sizes == Enum.uniq(sizes)
      assert Enum.min(sizes) > 64 and Enum.max(sizes) < 17_000
    end

    # Also where small ones and large ones meet in a batch.
    sizes = for id <- 1..Token.slots(), do: byte_size(Token.new(id, rem(id, 3) * 10_000_000))
    assert sizes == Enum.uniq(sizes)
  end

  test "tokens of the same size go into different batches" do
    c = collector()
    :ok = :sys.suspend(c.nursery)

    {held, forgotten} =
      Task.async(fn ->
        forgotten = for id <- 1..500, do: id |> own(Token.new(1, 0), c) |> elem(0)
        {for(id <- 501..1_000, do: own(id, Token.new(1, 0), c)), forgotten}
      end)
      |> Task.await()

    :ok = :sys.resume(c.nursery)
    Fake.eventually(fn -> sweep(c) && Enum.all?(forgotten, &freed?(c, &1)) end)
    assert Tenured.live(c.tenured) == 500
    assert Enum.filter(held, fn {id, _} -> freed?(c, id) end) == []
    Tensor.touch(held)
  end

  test "tokens may come many at a time, also of the same size, and more than a batch takes" do
    c = collector()
    :ok = :sys.suspend(c.nursery)

    {held, forgotten} =
      Task.async(fn ->
        held = for id <- 1..300, do: {id, Token.new(id, 0)}
        forgotten = for id <- 301..600, do: {id, Token.new(1, 0)}
        send(c.nursery, {:own, held ++ forgotten, self()})
        {held, Enum.map(forgotten, &elem(&1, 0))}
      end)
      |> Task.await()

    :ok = :sys.resume(c.nursery)
    Fake.eventually(fn -> sweep(c) && Enum.all?(forgotten, &freed?(c, &1)) end)
    assert Tenured.live(c.tenured) == 300
    assert Enum.filter(held, fn {id, _} -> freed?(c, id) end) == []
    Tensor.touch(held)
  end

  defp own(id, token, c) do
    send(c.nursery, {:own, [{id, token}], self()})
    {id, token}
  end

  test "unexpected messages are ignored" do
    c = collector()
    {id, token} = mint(c)
    for pid <- [c.nursery, c.tenured_pid], do: send(pid, :nonsense)
    sweep(c)
    assert Tenured.live(c.tenured) == 1
    refute freed?(c, id)

    for pid <- [c.nursery, c.tenured_pid],
        do: assert(Process.info(pid, :message_queue_len) == {:message_queue_len, 0})

    Tensor.touch(token)
  end

  test "the budget is twice what is alive, and half of the way to the limit" do
    mib = 1_048_576
    budget = Budget.new(100 * mib)
    refute Budget.take(budget, 15 * mib)
    assert Budget.take(budget, 5 * mib)
    assert Budget.over?(budget)
    Budget.give_back(budget, 1, 8 * mib)
    assert_in_delta Budget.held(budget), 12 * mib, mib / 100
    # More than the least budget is for.
    assert Budget.grown?(budget)

    for {alive, most} <- [{1, 16}, {12, 24}, {60, 80}, {99, 100}, {110, 111}] do
      budget = Budget.new(100 * mib)
      Budget.set(budget, alive * mib)
      refute Budget.take(budget, most * mib - 1_024)
      assert Budget.take(budget, 2 * mib)
    end

    # An engine that does not say what it can allocate.
    refute Budget.take(Budget.new(nil), 15 * mib)
  end

  test "nothing is freed while it is held, everything afterwards" do
    c = collector()
    test = self()

    # Each holds a window of tokens and keeps checking that what it drops was not freed before.
    pids =
      for window <- [10, 1_000, 20_000] do
        spawn_link(fn ->
          :rand.seed(:exsss, {window, 1, 2})
          held = Enum.reduce(1..60_000, :queue.new(), &churn(&1, &2, window, c))
          early = held |> :queue.to_list() |> Enum.count(fn {id, _} -> freed?(c, id) end)
          send(test, {:done, self(), early})
          receive(do: (:end -> :ok))
        end)
      end

    for pid <- pids, do: assert_receive({:done, ^pid, 0}, 60_000)
    monitors = for pid <- pids, do: Process.monitor(pid)
    for pid <- pids, do: send(pid, :end)
    for ref <- monitors, do: assert_receive({:DOWN, ^ref, _, _, :normal})
    # A process is seen to be gone a little before its memory is.
    Fake.eventually(fn -> sweep(c) && Tenured.live(c.tenured) == 0 end)
    assert :ets.info(c.table, :size) == 180_000
  end

  defp churn(_, held, window, c) do
    {id, token} = mint(c, Enum.random([0, 0, 0, 100_000, 10_000_000]))
    held = :queue.in({id, token}, held)

    if :queue.len(held) > window do
      {{:value, {old, token}}, held} = :queue.out(held)
      if freed?(c, old), do: raise("token #{old} was freed while it was held")
      # Holds it up to here.
      Tensor.touch(token)
      held
    else
      held
    end
  end

  test "every kind of term that refers to a token counts" do
    c = collector()
    table = :ets.new(:holder, [:public])
    {inbox, _} = spawn_monitor(fn -> receive(do: (:never -> :ok)) end)

    sleeper =
      spawn(fn ->
        receive(do: ({:hold, token} -> :proc_lib.hibernate(__MODULE__, :woken, [token])))
      end)

    key = {__MODULE__, make_ref()}

    ids =
      Task.async(fn ->
        {a, token} = mint(c)
        :ets.insert(table, {:token, %{deep: [token]}})
        {b, token} = mint(c)
        send(inbox, {:unread, token})
        {d, token} = mint(c)
        send(sleeper, {:hold, token})
        {e, token} = mint(c)
        :persistent_term.put(key, fn -> token end)
        {f, token} = mint(c)
        :ets.insert(table, {:part, binary_part(token, 0, 65)})
        {g, _token} = mint(c)
        {[a, b, d, e, f], g}
      end)
      |> Task.await()

    {held, forgotten} = ids
    Fake.eventually(fn -> sweep(c) && freed?(c, forgotten) end)
    assert Enum.filter(held, &freed?(c, &1)) == []

    :ets.delete(table)
    Process.exit(inbox, :kill)
    Process.exit(sleeper, :kill)
    assert_receive {:DOWN, _, _, ^inbox, _}
    :persistent_term.erase(key)
    Fake.eventually(fn -> sweep(c) && Enum.all?(held, &freed?(c, &1)) end)
  end

  def woken(token), do: receive(do: (:never -> token))

  test "without reference counts, the tensors of a process are freed when it exits" do
    c = collector(Exits)
    test = self()

    {pid, ref} =
      spawn_monitor(fn ->
        send(test, {:made, elem(mint(c), 0)})
        receive(do: (:end -> :ok))
      end)

    assert_receive {:made, id}
    sweep(c)
    refute freed?(c, id)
    send(pid, :end)
    assert_receive {:DOWN, ^ref, _, _, _}
    Fake.eventually(fn -> sweep(c) && freed?(c, id) end)
  end

  describe "with an engine" do
    test "tokens differ in size, however many requests are made between them" do
      session = Davit.Engine.session!(Fake.start())

      sizes =
        for _ <- 1..Token.slots() do
          for _ <- 1..16, do: Davit.Engine.Session.next_id(session)
          {_, token} = Davit.Collector.mint(session, :tensor, 0)
          byte_size(token)
        end

      assert length(Enum.uniq(sizes)) == Token.slots()
    end

    test "dropped tensors and programs are freed in the engine, others are not" do
      engine = Fake.start()
      session = Davit.Engine.session!(engine)
      kept = Tensor.from_binary(<<1, 2>>, {:uint8, {2}}, engine: engine, place: :engine)
      program = Fake.program(engine, "echo")

      {tensors, programs} =
        Task.async(fn ->
          tensors =
            for _ <- 1..300 do
              Tensor.from_binary(<<1, 2>>, {:uint8, {2}}, engine: engine, place: :engine).ref.id
            end

          {tensors, [Fake.program(engine, "echo").id]}
        end)
        |> Task.await(60_000)

      Fake.eventually(fn ->
        Davit.Collector.reclaim(session)
        Davit.Collector.live(session) == 2
      end)

      info = Davit.Engine.info(engine)
      assert Enum.sort(info["freed"]) == Enum.sort(tensors)
      assert info["unloaded"] == programs
      assert info["tensors"] == [kept.ref.id]
      assert info["programs"] == [program.id]
      assert Davit.Collector.live(session) == 2
      Tensor.touch({kept, program})
    end

    test "the garbage of an idle process that dropped its tensors is collected" do
      engine = Fake.start()
      session = Davit.Engine.session!(engine)
      test = self()

      idle =
        spawn_link(fn ->
          Tensor.from_binary(<<1>>, {:uint8, {1}}, engine: engine, place: :engine)
          send(test, :made)
          receive(do: (:end -> :ok))
        end)

      assert_receive :made
      Davit.Collector.reclaim(session)
      assert [_] = Davit.Engine.info(engine)["freed"]
      send(idle, :end)
    end
  end
end
