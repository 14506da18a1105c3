defmodule Davit.Engine.Command do
  @moduledoc """
  Finds the command that runs an engine as a port.

  The first of these that is there:

  1. the option `:command`, a list of words, such as `["davit", "port"]`, or one string that is split as a
     shell would;
  2. the environment variable `DAVIT_ENGINE`, a string of the same form;
  3. `davit` on the `PATH`;
  4. the repository that this client is part of, where it was built.

  A command of one word gets the word `port` added.
  """

  alias Davit.EngineError

  @repository Path.expand("../../../..", __DIR__)

  @doc "Gives the executable's path and its arguments."
  @spec find(keyword) :: {:ok, Path.t(), [String.t()]} | {:error, EngineError.t()}
  def find(options) do
    named =
      with nil <- options[:command], nil <- System.get_env("DAVIT_ENGINE") do
        nil
      end

    if named, do: resolve(named), else: search()
  end

  defp resolve(command) do
    case words(command) do
      [word] -> locate(word, ["port"], command)
      [word | arguments] -> locate(word, arguments, command)
      [] -> not_found("the engine command is empty")
    end
  end

  defp words(command) when is_binary(command), do: OptionParser.split(command)
  defp words(command) when is_list(command), do: Enum.map(command, &to_string/1)

  defp locate(word, arguments, command) do
    case System.find_executable(word) do
      nil -> not_found("#{word} is not an executable (engine command: #{inspect(command)})")
      path -> {:ok, path, arguments}
    end
  end

  defp search do
    script = Path.join(@repository, "dist/cli/main.js")
    node = System.find_executable("node")

    cond do
      davit = System.find_executable("davit") -> {:ok, davit, ["port"]}
      File.regular?(script) and node != nil -> {:ok, node, [script, "port"]}
      true -> not_found(nothing(script, node))
    end
  end

  defp nothing(_script, nil), do: "neither `davit` nor `node` is on the PATH"
  defp nothing(script, _), do: "`davit` is not on the PATH, and there is no #{script}"

  defp not_found(why) do
    message =
      "no engine command: #{why}. Give Davit.Engine the option :command, or set DAVIT_ENGINE, " <>
        "for example to \"davit port\""

    {:error, %EngineError{code: :engine_not_found, message: message}}
  end
end
