defmodule Bench.Nx.Store do
  # The program store, across restarts of both the VM and its engine.

  @script Path.expand("../nx_restart.exs", __DIR__)

  @doc "Milliseconds until the first result of a transformer of so many layers: traced, and from the store."
  def warm(layers) do
    in_folder(fn folder ->
      [_, 0] = restarted(folder, :first, layers, true)
      [cold, 0] = restarted(folder, :first, layers, false)
      [warm, 1] = restarted(folder, :first, layers, true)
      [cold, warm]
    end)
  end

  @doc "Microseconds that a hit adds to the call of a small function."
  def hit(count) do
    in_folder(fn folder ->
      restarted(folder, :hits, count, true)
      {samples, [stored]} = folder |> restarted(:hits, count, true) |> Enum.split(-1)
      ^stored = count + 1
      samples
    end)
  end

  defp in_folder(fun) do
    folder = Path.join(System.tmp_dir!(), "davit-bench-#{System.unique_integer([:positive])}-#{System.pid()}")

    try do
      fun.(folder)
    after
      File.rm_rf!(folder)
    end
  end

  defp restarted(folder, measure, count, stored?) do
    [node, repository | _] = System.argv()
    paths = for path <- :code.get_path(), path = List.to_string(path), path =~ "_build", do: path
    arguments = Enum.flat_map(paths, &["-pa", &1]) ++ [@script, node, repository, measure, count, stored?]
    {printed, 0} = System.cmd("elixir", Enum.map(arguments, &to_string/1), env: [{"DAVIT_STORE", folder}])
    for sample <- printed |> String.split("\n", trim: true) |> List.last() |> String.split(), do: number(sample)
  end

  defp number(text), do: if(text =~ ".", do: String.to_float(text), else: String.to_integer(text))
end
