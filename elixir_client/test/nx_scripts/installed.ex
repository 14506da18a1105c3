defmodule Davit.Scripts.Installed do
  # What Mix.install does in scripts and notebooks, with the libraries that are on the code path.

  defmodule Missing do
    defexception [:message]
  end

  @doc "The code, with Mix.install replaced by install/2."
  def replace(code, file, line \\ 1) do
    code
    |> Code.string_to_quoted!(file: file, line: line)
    |> Macro.prewalk(fn
      {{:., at, [{:__aliases__, _, [:Mix]}, :install]}, meta, arguments} ->
        {{:., at, [__MODULE__, :install]}, meta, arguments}

      other ->
        other
    end)
  end

  @doc "Starts the libraries and sets what is configured. Raises `Missing` if one is not there."
  def install(dependencies, options \\ []) do
    options = Keyword.validate!(options, config: [])
    Application.put_all_env(options[:config], persistent: true)
    Enum.each(dependencies, &start/1)
  end

  defp start({name, options}) when is_list(options), do: start({name, ">= 0.0.0", options})
  defp start({name, requirement}), do: start({name, requirement, []})

  defp start({name, requirement, options}) do
    if path = options[:path] do
      File.exists?(Path.join(path, "mix.exs")) || raise "there is no library at #{path}"
    end

    case Application.ensure_all_started(name) do
      {:ok, _} -> :ok
      {:error, _} -> raise Missing, "there is no #{name}"
    end

    version = name |> Application.spec(:vsn) |> List.to_string()

    Version.match?(version, requirement) ||
      raise "the script asks for #{name} #{requirement}; #{version} is there"
  end
end
