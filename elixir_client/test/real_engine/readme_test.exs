defmodule Davit.RealEngine.ReadmeTest do
  use ExUnit.Case, async: false
  import ExUnit.CaptureIO
  @moduletag :engine

  readme = Path.expand("../../README.md", __DIR__)
  @external_resource readme
  @examples Regex.scan(~r/```elixir\n(.*?)```/s, File.read!(readme), capture: :all_but_first)

  setup_all do
    on_exit(fn -> Davit.Engine.stop() end)
  end

  for {[code], index} <- Enum.with_index(@examples, 1) do
    test "example #{index} of the README" do
      capture_io(fn -> Code.eval_string(unquote(code), [], file: "README.md") end)
    end
  end
end
