defmodule Davit.Type do
  @moduledoc """
  What is known of a tensor before it is computed: `{dtype, shape}`, with MLX's dtype names and the shape
  as a tuple, such as `{:float32, {2, 3}}`.

      iex> Davit.Type.format({:float32, {2, 3}})
      "float32[2, 3]"

      iex> Davit.Type.byte_size({:bfloat16, {2, 3}})
      12
  """

  @bytes %{
    bool: 1,
    uint8: 1,
    uint16: 2,
    uint32: 4,
    uint64: 8,
    int8: 1,
    int16: 2,
    int32: 4,
    int64: 8,
    float16: 2,
    bfloat16: 2,
    float32: 4,
    float64: 8,
    complex64: 8
  }
  @names Map.new(@bytes, fn {dtype, _} -> {Atom.to_string(dtype), dtype} end)

  @type dtype ::
          :bool
          | :uint8
          | :uint16
          | :uint32
          | :uint64
          | :int8
          | :int16
          | :int32
          | :int64
          | :float16
          | :bfloat16
          | :float32
          | :float64
          | :complex64
  @type t :: {dtype, shape :: tuple}

  @doc "All dtypes."
  @spec dtypes() :: [dtype]
  def dtypes, do: Map.keys(@bytes)

  @doc "Tells whether a term is a type: a known dtype and a tuple of sizes."
  @spec valid?(term) :: boolean
  def valid?({dtype, shape}) when is_map_key(@bytes, dtype) and is_tuple(shape) do
    shape |> Tuple.to_list() |> Enum.all?(&(is_integer(&1) and &1 >= 0))
  end

  def valid?(_), do: false

  @doc "The type that is meant by `{dtype, shape}`, the shape a tuple or a list. Raises `ArgumentError`."
  @spec new!(dtype, tuple | [non_neg_integer]) :: t
  def new!(dtype, shape) do
    type = {dtype, if(is_list(shape), do: List.to_tuple(shape), else: shape)}

    valid?(type) ||
      raise ArgumentError,
            "expected a dtype of #{inspect(dtypes())} and a shape of non-negative sizes, " <>
              "got #{inspect(dtype)} and #{inspect(shape)}"

    type
  end

  @doc "The bytes of one element."
  @spec item_bytes(dtype) :: pos_integer
  def item_bytes(dtype) when is_map_key(@bytes, dtype), do: Map.fetch!(@bytes, dtype)

  @doc "The number of elements of a shape."
  @spec elements(tuple) :: non_neg_integer
  def elements({}), do: 1
  def elements({a}), do: a
  def elements({a, b}), do: a * b
  def elements(shape), do: shape |> Tuple.to_list() |> Enum.product()

  @doc "The bytes that a tensor of this type holds."
  @spec byte_size(t) :: non_neg_integer
  def byte_size({dtype, shape}), do: elements(shape) * item_bytes(dtype)

  @doc "Prints a type as MLX users write it."
  @spec format(t) :: String.t()
  def format({dtype, shape}), do: "#{dtype}[#{shape |> Tuple.to_list() |> Enum.join(", ")}]"

  @doc false
  # Several types in one line, each after its name where they have names.
  @spec format_all([t], [String.t()] | nil) :: String.t()
  def format_all(types, names \\ nil)
  def format_all(types, nil), do: Enum.map_join(types, ", ", &format/1)

  def format_all(types, names) do
    names
    |> Enum.zip(types)
    |> Enum.map_join(", ", fn {name, type} -> "#{name}: #{format(type)}" end)
  end

  @doc "The type as the protocol writes it: `[dtype, [sizes]]`."
  @spec to_wire(t) :: [String.t() | [non_neg_integer]]
  def to_wire({dtype, shape}), do: [Atom.to_string(dtype), Tuple.to_list(shape)]

  @doc "The type that the protocol wrote, or an error."
  @spec from_wire(term) :: {:ok, t} | :error
  def from_wire([name, sizes]) when is_map_key(@names, name) and is_list(sizes) do
    type = {Map.fetch!(@names, name), List.to_tuple(sizes)}
    if valid?(type), do: {:ok, type}, else: :error
  end

  def from_wire(_), do: :error

  @doc false
  @spec list_from_wire(term) :: [t]
  def list_from_wire(wire) do
    case from_wire(wire) do
      {:ok, type} -> [type]
      :error -> []
    end
  end
end
