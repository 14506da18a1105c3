defmodule Davit.Nx.Compiler.Closure do
  @moduledoc false
  # Functions with other captured values. Erlang has no function for that, but its external term format has a function's captured
  # values in it, and says how: https://www.erlang.org/doc/apps/erts/erl_ext_dist#new_fun_ext

  @version 131
  @new_fun 112

  @doc """
  The function with each of the terms in it for which `change` returns `{:ok, other}` replaced by the other, also in the
  functions that it captured.
  """
  @spec map(fun, (term -> {:ok, term} | :error)) :: fun
  def map(function, change) when is_function(function), do: walk(function, change)

  defp walk(term, change) do
    case change.(term) do
      {:ok, other} -> other
      :error -> inside(term, change)
    end
  end

  defp inside([head | tail], change), do: [walk(head, change) | walk(tail, change)]

  defp inside(tuple, change) when is_tuple(tuple) and tuple != {},
    do: tuple |> Tuple.to_list() |> walk(change) |> List.to_tuple()

  defp inside(map, change) when is_map(map),
    do: :maps.map(fn _, value -> walk(value, change) end, map)

  defp inside(function, change) when is_function(function) do
    with {:type, :local} <- Function.info(function, :type),
         {:env, [_ | _] = captured} <- Function.info(function, :env),
         changed when changed != captured <- walk(captured, change) do
      with_captured(function, changed)
    else
      _ -> function
    end
  end

  defp inside(other, _change), do: other

  defp with_captured(function, captured) do
    info = Function.info(function)

    body = [
      <<info[:arity], info[:new_uniq]::binary, info[:new_index]::32, length(captured)::32>>,
      Enum.map([info[:module], info[:index], info[:uniq], self() | captured], &encode/1)
    ]

    size = IO.iodata_length(body) + 4
    :erlang.binary_to_term(IO.iodata_to_binary([<<@version, @new_fun, size::32>>, body]))
  end

  defp encode(term) do
    <<@version, encoded::binary>> = :erlang.term_to_binary(term)
    encoded
  end
end
