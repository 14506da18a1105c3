defmodule Davit.KillsTest do
  # Each process of an engine is killed in turn, while others use the engine all the time. A restart costs each of them at
  # most one error, which is a Davit.EngineError.
  use ExUnit.Case, async: true

  alias Davit.{Engine, EngineError, Fake, Hooks, Tensor}

  @moduletag timeout: 600_000

  defp works(engine) do
    echo = Fake.program(engine, "echo")
    events = Fake.program(engine, "events:2")
    large = :binary.copy(<<7>>, 100_000)

    [
      run: fn -> [_] = Davit.run(echo, [<<0::512>>]) end,
      many: fn -> [[_], [_]] = Davit.run_many(echo, [[<<0::512>>], [<<1::512>>]]) end,
      hooks: fn -> [_] = Davit.run(events, [<<0::512>>], hooks: [{:all, fn _ -> :ok end}]) end,
      load: fn -> Fake.program(engine, "echo") end,
      large: fn ->
        tensor = Tensor.from_binary(large, {:uint8, {100_000}}, engine: engine)
        ^large = Tensor.to_binary(tensor)
      end,
      subscribe: fn ->
        with {:ok, ref} <- Hooks.subscribe("h", engine: engine),
             do: Hooks.unsubscribe(ref),
             else: ({:error, error} -> raise error)
      end,
      info: fn -> %{"pid" => _} = Engine.info(engine) end
    ]
  end

  # Does its work again and again. When it is asked, it does it three times more, then tells its errors since the last time.
  defp worker(name, work, test, done, errors \\ [], asked \\ nil) do
    case asked do
      {0, ref} ->
        send(test, {ref, name, errors})
        worker(name, work, test, done)

      {left, ref} ->
        worker(name, work, test, done, try_once(work) ++ errors, {left - 1, ref})

      nil ->
        asked = receive(do: ({:errors, ref} -> {3, ref}), after: (0 -> nil))
        :counters.add(done, 1, 1)
        worker(name, work, test, done, try_once(work) ++ errors, asked)
    end
  end

  defp try_once(work) do
    work.()
    []
  rescue
    error in EngineError -> [error]
  end

  # All processes below a supervisor, with what they are called.
  defp processes(supervisor) do
    for {id, pid, type, _} <- Supervisor.which_children(supervisor), is_pid(pid) do
      below = if type == :supervisor and id != :feeds, do: processes(pid), else: []
      [{id, pid} | below]
    end
    |> List.flatten()
  end

  # Waits until the supervisors have restarted what depended on a killed process. Until they notice its end, calls succeed:
  # a worker could tell its errors before it gets that of this kill, which would then be counted with those of the next.
  defp restarted(engine, name, killed) do
    Fake.eventually(fn -> Process.whereis(name) not in [nil, killed] end)
    processes(engine)
  end

  test "the kill of any process costs each caller at most one error" do
    engine = Fake.start()
    test = self()
    works = works(engine)
    done = :counters.new(1, [])
    workers = for {name, work} <- works, do: spawn_link(fn -> worker(name, work, test, done) end)
    ids = Enum.map(processes(engine), &elem(&1, 0))
    assert length(ids) >= 11

    for id <- ids, _ <- 1..2 do
      # At any moment.
      did = :counters.get(done, 1) + :rand.uniform(100)
      Fake.eventually(fn -> :counters.get(done, 1) >= did end)
      {^id, pid} = List.keyfind(processes(engine), id, 0)
      {:registered_name, name} = Process.info(pid, :registered_name)
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, _, _, :killed}
      restarted(engine, name, pid)
      ref = make_ref()
      for worker <- workers, do: send(worker, {:errors, ref})

      for _ <- workers do
        assert_receive {^ref, name, errors}, 60_000
        assert {id, name, length(errors) <= 1, errors} == {id, name, true, errors}
      end
    end
  end
end
