defmodule Davit.Engine.Command do
  @moduledoc """
  Finds the command that runs an engine as a port, each time an engine starts.

  The first of these that exists is used:

  1. the option `:command` of the engine, a list of words, such as `["davit", "port"]`, or one string that is split as a
     shell would;
  2. the environment variable `DAVIT_ENGINE`, a string of the same form;
  3. `:command` of the application's configuration, `config :davit, :engine, command: ...` (in `config/runtime.exs` it may be
     computed from where the release lies);
  4. `davit` on the `PATH`;
  5. in a release, the npm package `davit-engine` in the release's folder `engine`, as
     `npm install --prefix rel/overlays/engine davit-engine` puts it there; it is run by `node` on the `PATH`;
  6. outside of releases, the repository that this client is part of, where it was built.

  The word `port` is added to a command of one word.
  """

  alias Davit.EngineError

  @repository Path.expand("../../../..", __DIR__)
  @script "dist/cli/main.js"

  @doc false
  # Returns the executable's path and its arguments.
  @spec find(keyword) :: {:ok, Path.t(), [String.t()]} | {:error, EngineError.t()}
  def find(options) do
    named =
      with nil <- options[:command],
           nil <- System.get_env("DAVIT_ENGINE"),
           do: Application.get_env(:davit, :engine, [])[:command]

    if named, do: resolve(named), else: search(script())
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

  # In a release, the path of the repository at compile time means nothing.
  defp script do
    case System.get_env("RELEASE_ROOT") do
      nil -> Path.join(@repository, @script)
      release -> Path.join([release, "engine/node_modules/davit-engine", @script])
    end
  end

  defp search(script) do
    node = System.find_executable("node")

    cond do
      davit = System.find_executable("davit") -> {:ok, davit, ["port"]}
      File.regular?(script) and node != nil -> {:ok, node, [script, "port"]}
      node == nil -> not_found("neither `davit` nor `node` is on the PATH")
      true -> not_found("`davit` is not on the PATH, and there is no #{script}")
    end
  end

  defp not_found(why) do
    message =
      "no engine command: #{why}. Give Davit.Engine the option :command, or set DAVIT_ENGINE, " <>
        "for example to \"davit port\""

    {:error, %EngineError{code: :engine_missing, message: message}}
  end
end
