if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.StoreTest do
    use ExUnit.Case, async: false
    import Davit.Test.AgainstEvaluator
    import ExUnit.CaptureLog

    @moduletag :engine
    @script Path.expand("../../nx_scripts/store.exs", __DIR__)

    setup do
      level = Logger.level()
      Logger.configure(level: :debug)
      tmp = Path.join(System.tmp_dir!(), "davit-store-#{System.unique_integer([:positive])}")

      on_exit(fn ->
        Logger.configure(level: level)
        File.rm_rf!(tmp)
      end)

      %{tmp_dir: tmp}
    end

    # What the script prints, in a VM and with an engine of its own.
    defp in_new_vm(tmp, scale) do
      paths = for path <- :code.get_path(), dir = List.to_string(path), dir =~ "_build", do: dir
      arguments = Enum.flat_map(paths, &["-pa", &1])
      start = ["-e", "{:ok, _} = Application.ensure_all_started(:davit)", "-r", @script, "--"]
      environment = [{"DAVIT_STORE", tmp}]

      {printed, 0} =
        System.cmd("elixir", arguments ++ start ++ ["#{scale}"],
          env: environment,
          stderr_to_stdout: true
        )

      {result, _} =
        printed |> String.trim() |> String.split("\n") |> List.last() |> Code.eval_string()

      result
    end

    # Two VMs start, which takes long on a busy machine.
    @tag timeout: 300_000
    test "a new VM and engine run a kept function with its hooks, without tracing", %{tmp_dir: tmp} do
      events = fn scale ->
        [a, b] = [1.0 * scale, 2.0 * scale]
        [named: [a, b]] ++ for n <- 1..3, do: {:seen, [a + n, b + n]}
      end

      assert {15.0, first, %{function: 1, programs: 1} = counts, _} = in_new_vm(tmp, 3)
      assert first == events.(3)
      refute is_map_key(counts, :stored)
      assert {21.0, second, %{stored: 1} = counts, _} = in_new_vm(tmp, 5)
      assert second == events.(5)
      assert Map.keys(counts) == [:stored]
    end

    test "what belongs to a process is not kept, and it says so", %{tmp_dir: tmp} do
      engine = Davit.Real.start([], env: [{"DAVIT_STORE", tmp}])
      parent = self()
      fun = fn x -> watch(Nx.add(x, 41), &send(parent, {:sent, Nx.to_number(&1)})) end

      log =
        capture_log(fn ->
          assert compiled(fun, [1], engine: engine, store: [key: :pid]) |> Nx.to_number() == 42
        end)

      assert_received {:sent, 42}
      assert log =~ "Davit keeps no program of" and log =~ "belongs to this process"
    end

    # A tensor in an engine, which no other call has.
    defp in_engine(engine, values),
      do: values |> Nx.tensor(backend: {Davit.Backend, engine: engine}) |> Nx.multiply(1)

    defp counted(name, fun) do
      before = Davit.Compiler.stats()[name]
      fun.()
      Davit.Compiler.stats()[name] - before
    end

    test "a folder is another store", %{tmp_dir: tmp} do
      engine = Davit.Real.start([], env: [{"DAVIT_STORE", Path.join(tmp, "own")}])
      folder = Path.join(tmp, "other")

      run = fn store ->
        weight = in_engine(engine, 3)
        fun = fn x -> Nx.multiply(Nx.add(x, 23), weight) end
        assert compiled(fun, [1], engine: engine, store: store) |> Nx.to_number() == 72
      end

      assert counted(:stored, fn -> run.(folder) end) == 0
      assert File.dir?(Path.join(tmp, "other/v1/modules"))
      assert counted(:stored, fn -> run.(true) end) == 0
      assert counted(:stored, fn -> run.(path: folder) end) == 1
    end

    test "captured tensors that are in an engine are bound again", %{tmp_dir: tmp} do
      engine = Davit.Real.start([], env: [{"DAVIT_STORE", tmp}])

      run = fn a, b ->
        fun = fn x -> Nx.add(Nx.multiply(x, a), b) end
        compiled(fun, [2], engine: engine, store: true) |> Nx.to_flat_list()
      end

      [a, b, c] = for n <- 1..3, do: in_engine(engine, [n, 10 * n])
      assert counted(:stored, fn -> assert run.(a, b) == [4, 40] end) == 0
      assert counted(:stored, fn -> assert run.(b, c) == [7, 70] end) == 1
      # The same one twice is one input of another program.
      assert counted(:stored, fn -> assert run.(a, a) == [3, 30] end) == 0
      assert counted(:stored, fn -> assert run.(c, c) == [9, 90] end) == 1
    end

    test "what the store had is traced in the background, and forgotten where it differs", %{
      tmp_dir: tmp
    } do
      engine = Davit.Real.start([], env: [{"DAVIT_STORE", tmp}])
      parent = self()
      handler = "verify-#{System.unique_integer()}"
      tell = fn _, _, _, _ -> send(parent, :compared) end
      :ok = :telemetry.attach(handler, [:davit, :verify, :stop], tell, nil)
      on_exit(fn -> :telemetry.detach(handler) end)
      # What a function reads while it is traced is in no key.
      shift = &:persistent_term.put({__MODULE__, :shift}, &1)

      run = fn ->
        weight = in_engine(engine, 2)

        fun = fn x ->
          x |> Nx.multiply(weight) |> Nx.add(:persistent_term.get({__MODULE__, :shift}))
        end

        options = [compiler: Davit, engine: engine, store: [verify: :background]]
        fun |> Nx.Defn.jit_apply([1], options) |> Nx.to_number()
      end

      shift.(1)
      assert run.() == 3

      assert counted(:verified, fn ->
               assert run.() == 3
               assert_receive :compared, 60_000
             end) == 1

      shift.(2)

      log =
        capture_log(fn ->
          assert run.() == 3
          assert_receive :compared, 60_000
        end)

      assert log =~ "Davit's store had another program of #{inspect(__MODULE__)}.fn in test what"
      assert run.() == 4
      refute_received :compared
    end

    test "a miss says which part of the key differs", %{tmp_dir: tmp} do
      engine = Davit.Real.start([], env: [{"DAVIT_STORE", tmp}])
      fun = fn x -> Nx.add(x, 17) end
      key = System.unique_integer()
      run = fn argument, key -> compiled(fun, [argument], engine: engine, store: [key: key]) end
      first = capture_log(fn -> run.(1, key) end)
      assert first =~ "Davit's store has no program of"
      assert capture_log(fn -> run.(1.5, key) end) =~ "differs: arguments"

      assert_raise ArgumentError, ~r/the option :store is 5; expected true, false or/, fn ->
        compiled(fun, [Nx.tensor([1])], store: 5)
      end

      for wrong <- [[keys: 5], [verify: :now], [path: 5], []] do
        assert_raise ArgumentError, ~r/the option :store is \[.*\]; expected true/, fn ->
          compiled(fun, [Nx.tensor([1])], store: wrong)
        end
      end
    end
  end
end
