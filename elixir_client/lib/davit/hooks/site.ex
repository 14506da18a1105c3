defmodule Davit.Hooks.Site do
  @moduledoc """
  A node of a program whose values can be observed.

    * `kind`: `:hook`, `:hook_gradient`, `:print`, `:callback`, or `:node` for any other node with a label;
    * `number`: the node's number in the program; in the events of a subscription, the site's number in that subscription;
    * `types`: the types of its values, for a callback those of what it returns; `operands`: the types of what a callback passes;
    * `destination`: whether the last value is the process that receives the others, see `Davit.Hooks.to/1`;
    * `print`: `:precision` and `:limit` of a print, if it has them.
  """

  alias Davit.Type

  defstruct [
    :number,
    :program,
    :node,
    :function,
    :kind,
    :id,
    :name,
    :label,
    destination: false,
    print: %{},
    types: [],
    operands: []
  ]

  @type t :: %__MODULE__{
          number: non_neg_integer,
          program: non_neg_integer | nil,
          node: non_neg_integer | nil,
          function: String.t() | nil,
          kind: :hook | :hook_gradient | :print | :callback | :node,
          id: Davit.Hooks.Id.t() | nil,
          name: String.t() | nil,
          label: String.t() | nil,
          destination: boolean,
          print: %{optional(:precision | :limit) => non_neg_integer},
          types: [Type.t()],
          operands: [Type.t()]
        }

  @kinds Map.new(Davit.Contract.site_kinds(), &{Atom.to_string(&1), &1})

  @doc false
  # Decodes a table of sites. Functions and types are listed once in it, and sites refer to them by index. Strings are copied,
  # as a part of a frame keeps the whole frame in memory.
  @spec list_from_wire(map) :: [t]
  def list_from_wire(table) do
    functions = for name <- table["functions"] || [], do: copy(name)
    types = for type <- table["types"] || [], do: Type.list_from_wire(type)
    tables = {List.to_tuple(functions), List.to_tuple(types)}
    for site <- table["sites"] || [], do: from_wire(site, tables)
  end

  defp from_wire(site, {functions, types}) do
    %__MODULE__{
      number: site["index"] || site["number"],
      program: site["program"],
      node: site["node"],
      function: at(functions, site["function"], nil),
      kind: Map.get(@kinds, site["kind"], :node),
      id: with({:bin, id} <- site["id"], do: :binary.copy(id)),
      name: copy(site["name"]),
      label: copy(site["label"]),
      destination: site["destination"] == true,
      print: print(site["print"]),
      types: types(types, site["types"]),
      operands: types(types, site["operands"])
    }
  end

  defp types(types, indexes), do: Enum.flat_map(indexes || [], &at(types, &1, []))

  defp at(items, index, _) when is_integer(index) and index in 0..(tuple_size(items) - 1)//1,
    do: elem(items, index)

  defp at(_, _, missing), do: missing

  defp print(%{} = print),
    do: for(key <- [:precision, :limit], n = print[Atom.to_string(key)], into: %{}, do: {key, n})

  defp print(_), do: %{}

  defp copy(text) when is_binary(text), do: :binary.copy(text)
  defp copy(_), do: nil

  @doc """
  The words for a site in output and errors: its name, with its label in parentheses if it has both; or its kind and
  number.

      iex> Davit.Hooks.Site.title(%Davit.Hooks.Site{name: "scores", label: "encoder.3"})
      "scores (encoder.3)"
  """
  @spec title(t) :: String.t()
  def title(%__MODULE__{name: nil, label: nil} = site), do: "#{site.kind} #{site.node}"
  def title(%__MODULE__{name: name, label: label}) when label in [nil, name], do: name
  def title(%__MODULE__{name: nil, label: label}), do: label
  def title(%__MODULE__{name: name, label: label}), do: "#{name} (#{label})"
end
