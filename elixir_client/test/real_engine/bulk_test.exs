defmodule Davit.RealEngine.BulkTest do
  # What goes over the bulk connection while callers die or give up, and the connection itself ends.
  use ExUnit.Case, async: true
  @moduletag :engine

  alias Davit.{Engine, EngineError, Fake, Real, Tensor}
  alias Davit.Engine.Bulk.Reads

  @size 1_000_000
  @type_ {:uint8, {@size}}

  setup do
    engine = Real.start()
    bytes = :crypto.strong_rand_bytes(@size)
    tensor = Tensor.from_binary(bytes, @type_, engine: engine)
    %{engine: engine, session: Engine.session!(engine), bytes: bytes, tensor: tensor}
  end

  defp state(session), do: :sys.get_state(session.bulk)

  # More than a socket and its driver take at once.
  @large 150_000_000

  # A process in the middle of sending to an engine that does not read.
  defp sender(engine, session) do
    large = :binary.copy(<<1>>, @large)
    pid = spawn(fn -> Tensor.from_binary(large, {:uint8, {@large}}, engine: engine) end)
    Fake.eventually(fn -> state(session).sending != nil end)
    pid
  end

  defp kill(pid) do
    ref = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^ref, _, _, _}
  end

  defp reader(c, session) do
    task = Task.async(fn -> Tensor.to_binary(c.tensor) end)
    Fake.eventually(fn -> Engine.Routes.waiting?(session.routes, task.pid) end)
    task
  end

  test "a caller that is killed while its tensor is sent does not affect other callers", c do
    %{session: session, engine: engine} = c
    connection = state(session).connection

    for _ <- 1..2 do
      Fake.pause(session)
      pid = sender(engine, session)
      reader = reader(c, session)
      writer = Task.async(fn -> Tensor.from_binary(c.bytes, @type_, engine: engine) end)
      kill(pid)
      Fake.continue(session)
      assert Task.await(reader, 30_000) == c.bytes
      assert Tensor.to_binary(Task.await(writer, 30_000)) == c.bytes
    end

    assert state(session).connection == connection

    # What was finished for the dead is freed.
    Fake.eventually(fn ->
      Engine.reclaim(engine)
      Engine.info(engine)["tensors"] == 1
    end)
  end

  test "a tensor whose caller died before its turn is not sent", c do
    %{session: session, engine: engine} = c
    Fake.pause(session)
    first = sender(engine, session)
    second = spawn(fn -> Tensor.from_binary(c.bytes, @type_, engine: engine) end)
    Fake.eventually(fn -> not :queue.is_empty(state(session).puts) end)
    kill(second)
    Fake.eventually(fn -> not Engine.Routes.waiting?(session.routes, second) end)
    kill(first)
    Fake.continue(session)
    Fake.eventually(fn -> state(session).sending == nil end)

    Fake.eventually(fn ->
      Engine.reclaim(engine)
      Engine.info(engine)["tensors"] == 1
    end)
  end

  test "reads that gave up, or whose process died, keep nothing in memory", c do
    %{session: session} = c

    for _ <- 1..3 do
      Fake.pause(session)

      for _ <- 1..20 do
        error = assert_raise EngineError, fn -> Tensor.to_binary(c.tensor, timeout: 1) end
        assert error.code == :timeout
      end

      pids = for _ <- 1..20, do: spawn(fn -> Tensor.to_binary(c.tensor) end)
      for pid <- pids, do: Fake.eventually(fn -> Engine.Routes.waiting?(session.routes, pid) end)
      for pid <- pids, do: kill(pid)

      Fake.continue(session)
      assert Tensor.to_binary(c.tensor) == c.bytes
    end

    Fake.eventually(fn -> quiet?(state(session)) end)
    assert Process.info(session.bulk, :binary) == {:binary, []}
    assert Process.info(self(), :messages) == {:messages, []}
  end

  defp quiet?(state),
    do: state.reads == %Reads{} and state.unasked == [] and state.monitors == %{}

  test "a connection that ends is opened again, and its transfers are repeated", c do
    %{session: session, engine: engine} = c

    for end_it <- [
          &Process.exit(&1.reader, :kill),
          &Process.exit(&1.sender, :kill),
          &:gen_tcp.shutdown(&1.socket, :read_write)
        ] do
      Fake.eventually(fn -> state(session).connection || Tensor.to_binary(c.tensor) end)
      Fake.pause(session)
      sender = sender(engine, session)
      writer = Task.async(fn -> Tensor.from_binary(c.bytes, @type_, engine: engine) end)
      reader = reader(c, session)
      end_it.(state(session).connection)
      Fake.continue(session)
      assert Task.await(reader, 30_000) == c.bytes
      assert Tensor.to_binary(Task.await(writer, 30_000)) == c.bytes
      ref = Process.monitor(sender)
      # It was sent again.
      assert_receive {:DOWN, ^ref, _, _, reason} when reason in [:normal, :noproc], 30_000
    end

    # The engine was left alone.
    assert Engine.session!(engine).instance == session.instance
    # What was lost is known to be lost when the next comes.
    Fake.eventually(fn -> Tensor.to_binary(c.tensor) == c.bytes and quiet?(state(session)) end)
  end

  test "what is read over a new connection comes over it, though the engine has not noticed the end of the one before",
       c do
    %{session: session} = c
    assert Tensor.to_binary(c.tensor) == c.bytes
    Fake.pause(session)

    # A stopped engine finds what came meanwhile in the order in which it came: this message, and with it all others of its
    # port, then the end of the connection, then the new connection.
    Engine.Session.notify(session, 0, ["cancel", 0, "there is no such request"])
    kill(state(session).connection.reader)
    Fake.eventually(fn -> state(session).connection == nil end)
    task = reader(c, session)
    # These wait for the new connection as well, and give up.
    killed = spawn(fn -> Tensor.to_binary(c.tensor) end)
    Fake.eventually(fn -> Engine.Routes.waiting?(session.routes, killed) end)
    kill(killed)
    error = assert_raise EngineError, fn -> Tensor.to_binary(c.tensor, timeout: 1) end
    assert error.code == :timeout
    # The connection is opened, as far as it can be without the engine.
    Fake.eventually(fn -> state(session).connection end)
    Fake.continue(session)
    assert Task.await(task, :infinity) == c.bytes
    Fake.eventually(fn -> quiet?(state(session)) end)
    assert Engine.session!(c.engine).instance == session.instance
  end
end
