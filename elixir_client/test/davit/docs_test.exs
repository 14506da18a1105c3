defmodule Davit.DocsTest do
  # The Elixir examples of docs/hooks.md print what the page says. They are one program.
  use ExUnit.Case, async: false
  import ExUnit.CaptureIO
  @moduletag :engine

  page = Path.expand("../../../docs/hooks.md", __DIR__)
  @external_resource page
  @text File.read!(page)
  @examples Regex.scan(~r/^```elixir\n(.*?)^```\n\n```text\n(.*?)^```$/ms, @text,
              capture: :all_but_first
            )

  setup_all do
    on_exit(fn -> Davit.Engine.stop() end)
  end

  test "every example says what it prints" do
    assert length(@examples) == length(Regex.scan(~r/^```elixir$/m, @text))
    assert length(@examples) > 4
  end

  test "they print that" do
    run = fn [code, expected], binding_and_env ->
      {binding, env} = binding_and_env
      test = self()

      printed =
        capture_io(fn ->
          {_, binding, env} = Code.eval_quoted_with_env(Code.string_to_quoted!(code), binding, env)
          send(test, {:after, {binding, env}})
        end)

      assert printed == expected
      receive do: ({:after, binding_and_env} -> binding_and_env)
    end

    Enum.reduce(@examples, {[], Code.env_for_eval([])}, run)
  end
end
