# Runs the scripts and notebooks that begin with Mix.install, with the libraries on the code path in place of what they install. From
# elixir_client, after MIX_ENV=test mix compile:
#
#     elixir -pa "_build/test/lib/*/ebin" test/nx_scripts/run.exs
#
# One that needs a library which is not there is skipped. The last line counts: "N passed, N failed, N skipped".

for file <- ["installed.ex", "notebook.ex"], do: Code.require_file(file, __DIR__)

defmodule Davit.Scripts do
  alias Davit.Scripts.{Installed, Notebook}

  @root Path.expand("../../..", __DIR__)

  # Files, and what they print, or :notebook.
  @scripts [
    {"examples/axon/train.exs", ~r/epoch 3: loss 0\.\d+.*(9\d|100) % of other images/s},
    {"notebooks/start.livemd", :notebook},
    {"notebooks/hooks.livemd", :notebook},
    {"notebooks/training.livemd", :notebook}
  ]

  def main do
    results = for {file, expected} <- @scripts, do: run(file, expected)
    count = fn kind -> Enum.count(results, &(&1 == kind)) end
    IO.puts("#{count.(:passed)} passed, #{count.(:failed)} failed, #{count.(:skipped)} skipped")
    System.halt(if :failed in results, do: 1, else: 0)
  end

  # In a process of its own, so that one does not hear what another one began.
  defp run(file, expected) do
    fn -> run(file, Path.join(@root, file), expected) end |> Task.async() |> Task.await(:infinity)
  end

  defp run(file, path, expected) do
    check(path, expected)
    :passed
  rescue
    error in Installed.Missing ->
      IO.puts("skipped: #{file}, since #{Exception.message(error)}")
      :skipped

    error ->
      failed(file, Exception.format(:error, error, __STACKTRACE__))
  end

  defp check(path, :notebook), do: Notebook.run(path)

  defp check(path, expected) do
    code = path |> File.read!() |> Installed.replace(path)
    printed = printed(fn -> Code.eval_quoted(code, [], file: path) end)
    printed =~ expected || raise "it printed\n#{printed}"
  end

  defp failed(file, why) do
    IO.puts("failed: #{file}: #{why}")
    :failed
  end

  defp printed(fun) do
    {:ok, io} = StringIO.open("")
    leader = Process.group_leader()
    Process.group_leader(self(), io)

    try do
      fun.()
    after
      Process.group_leader(self(), leader)
    end

    {:ok, {"", printed}} = StringIO.close(io)
    printed
  end
end

Davit.Scripts.main()
