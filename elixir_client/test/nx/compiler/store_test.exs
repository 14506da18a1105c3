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
      weight = Nx.tensor([1, 2], backend: {Davit.Backend, engine: engine})
      weight = Nx.add(weight, weight)

      log =
        capture_log(fn ->
          assert compiled(fn x -> Nx.multiply(x, weight) end, [2], engine: engine, store: true)
                 |> Nx.to_flat_list() ==
                   [4, 8]
        end)

      assert log =~ "it captured a tensor that is in an engine"
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

      assert_raise ArgumentError, ~r/the option :store is \[keys: 5\]; expected true/, fn ->
        compiled(fun, [Nx.tensor([1])], store: [keys: 5])
      end
    end
  end
end
