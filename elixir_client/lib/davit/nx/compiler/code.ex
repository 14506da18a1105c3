defmodule Davit.Nx.Compiler.Code do
  @moduledoc false
  # What code there is in this VM, outside of Erlang/OTP and Elixir. A function calls others, through captures, `apply` and protocols,
  # so which modules it depends on cannot be told from it: all count.

  @table __MODULE__

  @doc """
  Parts of a key that change where the code does: the versions, the configuration, the modules of all applications, and those that have no
  file.
  """
  @spec parts() :: [{atom, binary}]
  def parts do
    [
      versions: hash({System.version(), :erlang.system_info(:otp_release), application_versions()}),
      config: hash(for app <- [:davit, :nx], do: Enum.sort(Application.get_all_env(app))),
      modules: hash(for module <- modules(), do: {module, md5(module)}),
      evaluated: hash(evaluated())
    ]
  end

  @doc "A digest of a term; the same in any VM."
  @spec hash(term) :: binary
  def hash(term), do: :crypto.hash(:sha256, :erlang.term_to_binary(term, [:deterministic]))

  defp application_versions do
    for {app, _, version} <- Enum.sort(Application.loaded_applications()),
        app in applications(),
        do: {app, version}
  end

  defp applications do
    for {app, _, _} <- Application.loaded_applications(), not part_of_system?(app), do: app
  end

  defp part_of_system?(app) do
    case :code.lib_dir(app) do
      {:error, _} -> false
      path -> Enum.any?(system_folders(), &String.starts_with?(List.to_string(path), &1))
    end
  end

  defp system_folders do
    elixir = :code.lib_dir(:elixir) |> List.to_string() |> Path.dirname()
    [List.to_string(:code.lib_dir()) <> "/", elixir <> "/"]
  end

  defp modules do
    Enum.sort(for app <- applications(), module <- Application.spec(app, :modules), do: module)
  end

  # Of a module that is loaded it is at hand; of others it is read once.
  defp md5(module) do
    if :erlang.module_loaded(module),
      do: module.module_info(:md5),
      else: :persistent_term.get({@table, module}, nil) || read(module)
  end

  defp read(module) do
    with path when is_list(path) <- :code.which(module),
         {:ok, {_, md5}} <- :beam_lib.md5(path) do
      :persistent_term.put({@table, module}, md5)
      md5
    else
      _ -> nil
    end
  end

  # Cells of Livebook, modules that were typed into IEx, scripts. Elixir's compiler has modules of its own for a moment.
  defp evaluated do
    for {module, []} <- Enum.sort(:code.all_loaded()),
        not String.starts_with?(Atom.to_string(module), "elixir_compiler_"),
        do: {module, module.module_info(:md5)}
  end
end
