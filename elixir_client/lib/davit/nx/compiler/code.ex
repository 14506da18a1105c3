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
    config = for app <- [:davit, :nx], do: Enum.sort(Application.get_all_env(app))
    [{:config, hash(config)} | code_parts()]
  end

  # Made again where a module was loaded, or other code of one.
  defp code_parts do
    applications = applications()

    # A module that was deleted may be listed as well.
    loaded =
      for module <- :erlang.loaded(),
          function_exported?(module, :module_info, 1),
          do: {module, module.module_info(:md5)}

    case :persistent_term.get({@table, :parts}, nil) do
      {^applications, ^loaded, parts} ->
        parts

      _ ->
        parts = [
          versions: hash({System.version(), :erlang.system_info(:otp_release), applications}),
          modules: hash(md5s(applications)),
          evaluated: hash(evaluated())
        ]

        :persistent_term.put({@table, :parts}, {applications, loaded, parts})
        parts
    end
  end

  @doc "A digest of a term; the same in any VM."
  @spec hash(term) :: binary
  def hash(term), do: :crypto.hash(:sha256, :erlang.term_to_binary(term, [:deterministic]))

  # Those outside of Erlang/OTP and Elixir, with their versions.
  defp applications do
    system = system_folders()

    for {app, _, version} <- Enum.sort(Application.loaded_applications()),
        not in_folders?(:code.lib_dir(app), system),
        do: {app, version}
  end

  defp system_folders do
    elixir = :code.lib_dir(:elixir) |> List.to_string() |> Path.dirname()
    [List.to_string(:code.lib_dir()) <> "/", elixir <> "/"]
  end

  # An application that was made in memory has no folder.
  defp in_folders?({:error, _}, _), do: false
  defp in_folders?(path, folders), do: path |> List.to_string() |> String.starts_with?(folders)

  # The md5 of each module. Of those that are loaded it is at hand; the files of the others are read once.
  defp md5s(applications) do
    modules = for {app, _} <- applications, module <- Application.spec(app, :modules), do: module
    {loaded, others} = Enum.split_with(modules, &:erlang.module_loaded/1)
    known = :persistent_term.get(@table, %{})

    read =
      case Enum.reject(others, &is_map_key(known, &1)) do
        [] -> known
        new -> known |> Map.merge(read(new)) |> tap(&:persistent_term.put(@table, &1))
      end

    Enum.sort(
      for(module <- loaded, do: {module, module.module_info(:md5)}) ++
        for(module <- others, do: {module, read[module]})
    )
  end

  # The folders of the path are listed once, those of Erlang/OTP and Elixir aside: `:code.which/1` looks through all of them for each module.
  defp read(modules) do
    system = system_folders()

    files =
      for folder <- Enum.reverse(:code.get_path()),
          not in_folders?(folder, system),
          {:ok, names} <- [:file.list_dir(folder)],
          name <- names,
          into: %{},
          do: {name, :filename.join(folder, name)}

    Map.new(modules, &{&1, file_md5(files[~c"#{&1}.beam"])})
  end

  defp file_md5(nil), do: nil

  # `:beam_lib` takes longer where it opens the file itself.
  defp file_md5(file) do
    with {:ok, bytes} <- File.read(file), {:ok, {_, md5}} <- :beam_lib.md5(bytes) do
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
