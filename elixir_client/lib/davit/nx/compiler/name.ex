defmodule Davit.Nx.Compiler.Name do
  @moduledoc false
  # How functions are called in labels.

  @doc """
  The name of a function as a person wrote it.

      iex> Davit.Nx.Compiler.Name.of(&String.upcase/1)
      "String.upcase/1"
  """
  @spec of(fun) :: String.t()
  def of(function) do
    [module, name, arity] =
      for key <- [:module, :name, :arity], do: function |> Function.info(key) |> elem(1)

    case {module, function |> Function.info(:env) |> elem(1)} do
      # Nx wraps a function that is called with options.
      {Nx.Defn.Compiler, [inner | _]} when is_function(inner) -> of(inner)
      {Nx.Defn.Compiler, [_, inner | _]} when is_function(inner) -> of(inner)
      _ -> "#{inspect(module)}.#{written(Atom.to_string(name), arity)}"
    end
  end

  # What `defn` and the compiler of Elixir make of names.
  defp written(name, arity) do
    case Regex.run(~r/\A__defn:(.+)__\z|\A-(.+)-fun-\d+-\z/, name) do
      [_, name] -> "#{name}/#{arity}"
      [_, "", outer] -> "fn in #{outer}"
      nil -> "#{name}/#{arity}"
    end
  end
end
