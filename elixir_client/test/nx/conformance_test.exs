if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.ConformanceTest do
    # What `mix davit.record` writes; integration/conformance.test.ts replays it.
    use ExUnit.Case, async: true
    alias Davit.Conformance.Recorder

    # Of these, MLX does none as a whole, or they call a function; others are tested with Nx.
    @not_recorded [:reduce, :window_reduce, :runtime_call]

    # Nx until 0.13 has other default implementations and derivatives of these than main.
    Code.ensure_loaded!(Nx.Defn.Kernel)

    @otherwise if function_exported?(Nx.Defn.Kernel, :io_call, 2),
                 do: [],
                 else: [
                   "cholesky",
                   "qr",
                   "grad of a cholesky",
                   "grad of a solve",
                   "grad of a loop",
                   "grad of a loop, the other branch"
                 ]

    setup_all do
      {files, operations} = Recorder.record()
      %{files: files, operations: operations}
    end

    test "recording again gives the files that are there", %{files: files} do
      folder = Mix.Tasks.Davit.Record.folder()
      assert folder |> File.ls!() |> Enum.sort() == files |> Map.keys() |> Enum.sort()

      for {name, bytes} <- files do
        there = folder |> Path.join(name) |> File.read!() |> :zlib.gunzip()

        [there, bytes] = for bytes <- [there, bytes], do: Davit.Msgpack.decode!(bytes)
        differing = for example <- (there -- bytes) ++ (bytes -- there), do: example["name"]

        assert Enum.uniq(differing) -- @otherwise == [],
               "#{name} is not what `mix davit.record` writes"
      end
    end

    test "every operation that is lowered is in a case", %{operations: operations} do
      assert Enum.reject(Davit.Nx.Lowering.names(), &(&1 in operations)) -- @not_recorded == []
    end

    test "so are loops, conditions, hooks and blocks", %{operations: operations} do
      {:ok, modules} = :application.get_key(:nx, :modules)

      blocks =
        for module <- modules,
            match?(["Nx", "Block" | [_ | _]], Module.split(module)),
            Code.ensure_loaded?(module) and function_exported?(module, :__struct__, 0),
            do: module

      assert Enum.reject([:while, :cond] ++ blocks, &(&1 in operations)) == []
      assert Enum.any?([:io_call, :hook, :token], &(&1 in operations))
    end
  end
end
