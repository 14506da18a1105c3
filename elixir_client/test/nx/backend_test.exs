if Code.ensure_loaded?(Nx) do
  defmodule Davit.BackendTest do
    use ExUnit.Case, async: false
    @moduletag :engine

    setup do
      Nx.default_backend(Davit.Backend)
      :ok
    end

    defp in_engine(tensor), do: Nx.add(tensor, 0)

    describe "an operation that fails" do
      test "surfaces at the read, with the operation and the line that called it" do
        singular = in_engine(Nx.tensor([[1.0, 2.0], [0.0, 0.0]]))
        line = __ENV__.line + 1
        solved = Nx.LinAlg.triangular_solve(singular, Nx.tensor([1.0, 2.0]), lower: false)
        later = solved |> Nx.multiply(2) |> Nx.sum()

        error = assert_raise Davit.EngineError, fn -> Nx.to_number(later) end
        assert error.message =~ "it is Nx.triangular_solve, called at "
        assert error.message =~ "test/nx/backend_test.exs:#{line}"
        # What does not depend on it is not touched.
        assert Nx.to_number(Nx.sum(singular)) == 3.0
      end
    end

    test "a recorded operation leaves nothing in the mailbox, however many there are" do
      x = in_engine(Nx.iota({4}))
      sum = Enum.reduce(1..1000, x, fn _, acc -> Nx.add(acc, x) end)
      assert Nx.to_flat_list(sum) == [0, 1001, 2002, 3003]
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "tensors are used by other processes, also after their maker is gone" do
      x = in_engine(Nx.iota({4}))
      assert Task.await(Task.async(fn -> Nx.to_flat_list(Nx.multiply(x, 2)) end)) == [0, 2, 4, 6]

      made =
        fn -> Enum.reduce(1..100, x, fn _, acc -> Nx.add(acc, 1) end) end
        |> Task.async()
        |> Task.await()

      assert Nx.to_flat_list(made) == [100, 101, 102, 103]
    end

    test "an engine that dies takes its tensors along, and the next one computes" do
      x = in_engine(Nx.iota({3}))
      session = Davit.Engine.session!(Davit.Engine)
      {:os_pid, pid} = Port.info(session.port, :os_pid)
      System.cmd("kill", ["-9", "#{pid}"])
      error = assert_raise Davit.EngineError, fn -> Nx.to_binary(Nx.add(x, 1)) end
      assert error.code == :engine_lost
      assert Nx.to_flat_list(Nx.add(Nx.iota({3}), 1)) == [1, 2, 3]
      assert Nx.to_flat_list(Nx.add(Nx.iota({3}), 1)) == [1, 2, 3]
    end

    test "copies and transfers to other backends and back" do
      x = in_engine(Nx.iota({3}))
      assert %{data: %Nx.BinaryBackend{}} = home = Nx.backend_transfer(x, Nx.BinaryBackend)
      assert Nx.to_flat_list(home) == [0, 1, 2]
      assert %{data: %Davit.Backend{}} = Nx.backend_copy(home, Davit.Backend)
      assert Nx.backend_copy(x, Davit.Backend) == x
    end

    test "a tensor that is deallocated cannot be read" do
      x = in_engine(Nx.iota({3}))
      assert Nx.backend_deallocate(x) == :ok
      error = assert_raise Davit.EngineError, fn -> Nx.to_binary(x) end
      assert error.code == :tensor_unknown
    end

    test "inspect shows the backend, unless it is told not to" do
      assert inspect(Nx.tensor([1, 2])) =~ "Davit.Backend<Davit.Engine>\n  [1, 2]"
      Application.put_env(:davit, :add_backend_on_inspect, false)
      on_exit(fn -> Application.delete_env(:davit, :add_backend_on_inspect) end)
      refute inspect(Nx.tensor([1, 2])) =~ "Davit.Backend"
    end

    test "of a large tensor inspect reads what it shows" do
      large = Nx.iota({1000, 1000})
      assert inspect(large, limit: 3) =~ "[0, 1, 2, ...]"
    end

    test "to_batched, with what is left over repeated or discarded" do
      batches = fn leftover ->
        Nx.iota({5}) |> Nx.to_batched(2, leftover: leftover) |> Enum.map(&Nx.to_flat_list/1)
      end

      assert batches.(:repeat) == [[0, 1], [2, 3], [4, 0]]
      assert batches.(:discard) == [[0, 1], [2, 3]]
    end

    test "large values go over the bulk socket and come back" do
      bytes = :crypto.strong_rand_bytes(1_000_000)
      assert bytes |> Nx.from_binary(:u8) |> Nx.to_binary() == bytes
    end

    describe "the option :vm_bytes" do
      setup do
        Nx.default_backend({Davit.Backend, vm_bytes: 256})
        :ok
      end

      defp here?(tensor), do: tensor.data.value.ref == nil

      test "small operations on values in the VM stay there" do
        x = Nx.tensor([1.0, 2.0]) |> Nx.multiply(3) |> Nx.sum()
        assert here?(x)
        assert Nx.to_number(x) == 9.0
      end

      test "larger ones do not, nor those on values in the engine" do
        large = Nx.add(Nx.iota({100}), 1)
        refute here?(large)
        refute here?(Nx.sum(large))
        assert Nx.to_number(Nx.sum(large)) == 5050
      end

      test "what has no number here has one in the engine" do
        assert Nx.to_number(Nx.quotient(Nx.tensor(7), Nx.tensor(0))) == -1
      end
    end

    test "what Nx.BinaryBackend computes is told by telemetry, and logged once" do
      :telemetry.attach(
        "host",
        [:davit, :nx, :host],
        fn _, measurements, metadata, pid -> send(pid, {:host, measurements, metadata}) end,
        self()
      )

      Logger.put_module_level(Davit.Nx.Host, :info)

      on_exit(fn ->
        :telemetry.detach("host")
        Logger.delete_module_level(Davit.Nx.Host)
      end)

      compute = fn -> Nx.cosh(Nx.tensor(Complex.new(1, 2), type: {:c, 128})) end
      log = ExUnit.CaptureLog.capture_log([level: :info], fn -> {compute.(), compute.()} end)
      assert_received {:host, %{count: 1}, %{operation: :cosh, type: {:c, 128}}}
      assert_received {:host, %{count: 1}, %{operation: :cosh, type: {:c, 128}}}
      assert [_, _] = String.split(log, "Nx.cosh with the result type {:c, 128}")
    end

    test "there are no pointers" do
      assert_raise ArgumentError, ~r/no pointers/, fn -> Nx.to_pointer(Nx.tensor(1)) end
    end

    test "options that it does not have are refused" do
      assert_raise ArgumentError, ~r/:device/, fn ->
        Nx.default_backend({Davit.Backend, device: :gpu})
      end
    end
  end
end
