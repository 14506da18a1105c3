defmodule Davit.ReloadTest do
  # Modules of the client are loaded anew while an engine runs, as a project's are when it is recompiled. A second time kills
  # every process that is still in the code of before.
  use ExUnit.Case, async: false

  alias Davit.{Engine, Fake, Hooks, Tensor}
  alias Davit.Engine.Bulk.{Connection, Reads}

  setup do
    engine = Fake.start()
    large = :binary.copy(<<7>>, 100_000)
    tensor = Tensor.from_binary(large, {:uint8, {100_000}}, engine: engine)
    # The bulk connection is open both ways.
    assert Tensor.to_binary(tensor) == large
    {:ok, ref} = Hooks.subscribe("h", engine: engine)
    %{engine: engine, tensor: tensor, large: large, ref: ref}
  end

  defp modules do
    {:ok, modules} = :application.get_key(:davit, :modules)
    # Those of the tests are not the client's.
    modules -- [Davit.Fake, Davit.Real]
  end

  defp reload(module) do
    for _ <- 1..2 do
      :code.purge(module)
      {:module, ^module} = :code.load_file(module)
    end

    :code.purge(module)
  end

  test "after every module was reloaded twice, the engine runs on and keeps its tensors", context do
    %{engine: engine, tensor: tensor, large: large, ref: ref} = context
    session = Engine.session!(engine)

    processes =
      for part <- [:owner, :writer, :loader, :nursery, :tenured, :reclaimer, :bulk, :reporter],
          do: {part, Engine.Part.whereis(engine, part)}

    for module <- modules() do
      reload(module)

      # What a process of the client was killed by would be known to its supervisor by now.
      for supervisor <- [:core, :collector],
          do: Supervisor.which_children(Engine.Part.name(engine, supervisor))

      for {part, pid} <- processes,
          do: assert({module, part, Process.alive?(pid)} == {module, part, true})

      assert {module, Engine.session!(engine).instance} == {module, session.instance}
      assert {module, Tensor.to_binary(tensor)} == {module, large}
    end

    program = Fake.program(engine, "events:1")
    assert [_] = Davit.run(program, [<<0::512>>])
    assert_receive {:davit_hook, ^ref, _}
    refute_received {:davit_hook_down, _, _}
    # What is forgotten is still freed.
    Tensor.from_list([1], :uint8, engine: engine, place: :engine)
    :ok = Engine.reclaim(engine)
    assert [_ | _] = Engine.info(engine)["freed"]
  end

  test "transfers whose processes are killed by a reload are repeated", context do
    %{engine: engine, tensor: tensor, large: large} = context
    session = Engine.session!(engine)
    # More than a socket and its driver take at once.
    size = 80_000_000
    huge = :binary.copy(<<8>>, size)
    type = {:uint8, {size}}
    Fake.pause(session)
    read = Task.async(fn -> Tensor.to_binary(tensor) end)
    put = Task.async(fn -> Tensor.from_binary(huge, type, engine: engine) end)

    for task <- [read, put],
        do: Fake.eventually(fn -> Engine.Routes.waiting?(session.routes, task.pid) end)

    # First while the bytes of a read are waited for, then while a new connection is not greeted yet.
    for _ <- 1..2 do
      connection = Fake.eventually(fn -> under_way(session) end)
      reload(Connection)
      Fake.eventually(fn -> (new = under_way(session)) && new != connection end)
      for pid <- [connection.reader, connection.sender], do: refute(Process.alive?(pid))
    end

    Fake.continue(session)
    assert Task.await(read, :infinity) == large
    assert Tensor.to_binary(Task.await(put, :infinity)) == huge
    assert Engine.session!(engine).instance == session.instance
  end

  # The connection, while it is used both ways.
  defp under_way(session) do
    %{connection: connection, sending: sending, reads: reads, unasked: unasked} =
      :sys.get_state(session.bulk)

    if sending && (Reads.readers(reads) != [] or unasked != []), do: connection
  end
end
