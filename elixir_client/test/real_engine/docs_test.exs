defmodule Davit.RealEngine.DocsTest do
  # The Elixir examples of a page of docs/ print what the page says. Those of one page are one program.
  use ExUnit.Case, async: false
  import ExUnit.CaptureIO
  @moduletag :engine

  setup_all do
    on_exit(fn -> Davit.Engine.stop() end)
  end

  # What they write is gone afterwards.
  setup do
    folder = Path.join(System.tmp_dir!(), "davit-docs-#{System.unique_integer([:positive])}")
    File.mkdir_p!(folder)
    on_exit(fn -> File.rm_rf!(folder) end)
    %{folder: folder}
  end

  for name <- ["hooks.md", "record.md"] do
    page = Path.expand("../../../docs/#{name}", __DIR__)
    @external_resource page
    text = File.read!(page)
    fences = ~r/^```elixir\n(.*?)^```\n\n```text\n(.*?)^```$/ms
    @examples Regex.scan(fences, text, capture: :all_but_first)
    @blocks length(Regex.scan(~r/^```elixir$/m, text))

    test "the examples of #{name} print what it says", %{folder: folder} do
      assert @blocks > 0
      assert length(@examples) == @blocks
      File.cd!(folder, fn -> Enum.reduce(@examples, {[], Code.env_for_eval([])}, &run/2) end)
    end
  end

  defp run([code, expected], {binding, env}) do
    test = self()

    printed =
      capture_io(fn ->
        {_, binding, env} = Code.eval_quoted_with_env(Code.string_to_quoted!(code), binding, env)
        send(test, {:after, {binding, env}})
      end)

    assert printed == expected
    receive do: ({:after, binding_and_env} -> binding_and_env)
  end
end
