defmodule Davit.RealBulkTest do
  # The bulk connection breaks when a process dies while it sends; others do not suffer for that.
  use ExUnit.Case, async: true
  @moduletag :engine

  alias Davit.{Engine, EngineError, Fake, Real, Tensor}
  alias Davit.Engine.Bulk

  setup do
    engine = Real.start()
    %{engine: engine, session: Engine.session!(engine)}
  end

  # A process in the middle of a transfer.
  defp sender(session) do
    test = self()

    pid =
      spawn(fn ->
        Bulk.sending(session, fn socket ->
          :ok = :gen_tcp.send(socket, <<1_000_000::64, 100::64, 0>>)
          send(test, :sending)
          receive(do: (:never -> :ok))
        end)
      end)

    assert_receive :sending
    pid
  end

  defp signal(session, name) do
    {:os_pid, pid} = Port.info(session.port, :os_pid)
    {_, 0} = System.cmd("kill", ["-#{name}", "#{pid}"])
  end

  test "a value on its way to a reader is asked for again", %{engine: engine, session: session} do
    bytes = :crypto.strong_rand_bytes(1_000_000)
    tensor = Tensor.from_binary(bytes, {:uint8, {1_000_000}}, engine: engine)
    signal(session, "STOP")
    pid = sender(session)
    reader = Task.async(fn -> Tensor.to_binary(tensor) == bytes end)
    Fake.eventually(fn -> Engine.Session.waiting?(session, reader.pid) end)
    Process.exit(pid, :kill)
    # The next connection is there before the answer.
    waiter = Task.async(fn -> Tensor.from_binary(bytes, {:uint8, {1_000_000}}, engine: engine) end)
    connected = fn -> :sys.get_state(session.bulk).holder != nil end
    Fake.eventually(fn -> connected.() and not Process.alive?(pid) end)
    signal(session, "CONT")
    assert Task.await(reader)
    assert Tensor.to_binary(Task.await(waiter)) == bytes
  end

  test "what came over a connection that is gone is not waited for", %{session: session} do
    {:ok, connection} = Bulk.connect(session)
    pid = sender(session)
    Process.exit(pid, :kill)
    Fake.eventually(fn -> :sys.get_state(session.bulk).holder == nil end)
    assert {:ok, next} = Bulk.connect(session)
    refute next == connection

    assert {:error, %EngineError{code: :transfer_broken}} =
             Bulk.claim(session, 1, connection, 5_000)
  end
end
