defmodule Davit.Hooks.Site do
  @moduledoc """
  A node of a program that can be watched.

  `kind` is `:hook`, `:print`, `:call`, or `:node` for any other node with a label; `index` is the number that
  the events of one subscription or run have it by.
  """

  alias Davit.Type

  defstruct [:index, :program, :node, :function, :kind, :id, :name, :label, types: []]

  @type t :: %__MODULE__{
          index: non_neg_integer,
          program: non_neg_integer | nil,
          node: non_neg_integer | nil,
          function: String.t() | nil,
          kind: :hook | :print | :call | :node,
          id: Davit.Hooks.Id.t() | nil,
          name: String.t() | nil,
          label: String.t() | nil,
          types: [Type.t()]
        }

  @kinds %{"hook" => :hook, "print" => :print, "call" => :call, "node" => :node}

  @doc false
  # Strings are copied: they would keep the frame they came in.
  @spec from_wire(map) :: t
  def from_wire(site) do
    %__MODULE__{
      index: site["index"] || site["site"],
      program: site["program"],
      node: site["node"],
      function: copy(site["function"]),
      kind: Map.get(@kinds, site["kind"], :node),
      id: with({:bin, id} <- site["id"], do: :binary.copy(id)),
      name: copy(site["name"]),
      label: copy(site["label"]),
      types: Enum.flat_map(site["types"] || [], &Type.list_from_wire/1)
    }
  end

  defp copy(text) when is_binary(text), do: :binary.copy(text)
  defp copy(_), do: nil

  @doc "What people call it: its label, its name, or its kind and number."
  @spec title(t) :: String.t()
  def title(%__MODULE__{} = site), do: site.label || site.name || "#{site.kind} #{site.node}"
end
