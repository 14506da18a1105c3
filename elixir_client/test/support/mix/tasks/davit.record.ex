if Code.ensure_loaded?(Nx) do
  defmodule Mix.Tasks.Davit.Record do
    @shortdoc "Writes integration/conformance"
    @moduledoc false
    # mix davit.record: evaluates the cases of test/support/conformance with Nx.BinaryBackend and writes them, their graphs and
    # results, for the tests that replay them without Nx (integration/conformance.test.ts).

    use Mix.Task

    @folder Path.expand("../../../../../integration/conformance", __DIR__)

    @doc "Where the files are."
    def folder, do: @folder

    @impl true
    def run([]) do
      Mix.Task.run("app.start")
      {files, _} = Davit.Conformance.Recorder.record()
      File.mkdir_p!(@folder)
      for name <- File.ls!(@folder) -- Map.keys(files), do: File.rm!(Path.join(@folder, name))

      for {name, bytes} <- files do
        packed = :zlib.gzip(bytes)
        File.write!(Path.join(@folder, name), packed)
        Mix.shell().info("#{name}: #{byte_size(packed)} bytes")
      end
    end
  end
end
