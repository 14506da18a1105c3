defmodule Davit.Type do
  @moduledoc """
  What is known of a tensor before it is computed: its dtype and its shape, `{dtype, shape}`. The shape is a tuple.

  A dtype may be written as MLX names it (`:float32`), or as Nx does (`:f32`, `{:f, 32}`). All forms are accepted wherever
  a function takes a dtype or a type. Tensors, programs and events hold the first form, and `inspect/2` shows the second.

  | MLX | Nx |
  |---|---|
  | `:bool` | |
  | `:uint8`, `:uint16`, `:uint32`, `:uint64` | `:u8`, `{:u, 8}`, ... |
  | `:int8`, `:int16`, `:int32`, `:int64` | `:s8`, `{:s, 8}`, ... |
  | `:float16`, `:float32`, `:float64` | `:f16`, `{:f, 16}`, ... |
  | `:bfloat16` | `:bf16`, `{:bf, 16}` |
  | `:complex64` | `:c64`, `{:c, 64}` |

      iex> Davit.Type.new!({:f, 32}, [2, 3])
      {:float32, {2, 3}}

      iex> Davit.Type.format({:float32, {2, 3}})
      "f32[2][3]"

      iex> Davit.Type.byte_size({:bf16, {2, 3}})
      12
  """

  @rows Davit.Contract.dtypes()
  @bytes Map.new(@rows, &{&1.name, &1.bytes})
  @names Map.new(@rows, &{Atom.to_string(&1.name), &1.name})

  # As Nx writes them. It has no bool.
  @nx for %{name: dtype, nx: short} when short != nil <- @rows,
          [_, kind, bits] = Regex.run(~r/^([a-z]+)(\d+)$/, Atom.to_string(short)),
          do: {dtype, short, {String.to_atom(kind), String.to_integer(bits)}}
  @short Map.new([{:bool, :bool, nil} | @nx], fn {dtype, short, _} -> {dtype, short} end)
  @dtypes Map.new(@bytes, fn {dtype, _} -> {dtype, dtype} end)
          |> Map.merge(Map.new(@nx, fn {dtype, short, _} -> {short, dtype} end))
          |> Map.merge(Map.new(@nx, fn {dtype, _, pair} -> {pair, dtype} end))

  @type dtype ::
          unquote(
            @rows
            |> Enum.map(& &1.name)
            |> Enum.reverse()
            |> Enum.reduce(&{:|, [], [&1, &2]})
          )
  @type t :: {dtype, shape :: tuple}

  @typedoc "A dtype in any of its forms: `:float32`, `:f32` or `{:f, 32}`."
  @type dtype_form :: dtype | atom | {:u | :s | :f | :bf | :c, pos_integer}
  @typedoc "A type in any of its forms."
  @type form :: {dtype_form, tuple | [non_neg_integer]}

  @doc "All dtypes."
  @spec dtypes() :: [dtype]
  def dtypes, do: Map.keys(@bytes)

  @doc "Tells whether a term is a type: a known dtype and a tuple of sizes."
  @spec valid?(term) :: boolean
  def valid?({dtype, shape}) when is_map_key(@bytes, dtype) and is_tuple(shape) do
    shape |> Tuple.to_list() |> Enum.all?(&(is_integer(&1) and &1 >= 0))
  end

  def valid?(_), do: false

  @doc "The type of a dtype in any form and a shape, a tuple or a list. Raises `ArgumentError`."
  @spec new!(dtype_form, tuple | [non_neg_integer]) :: t
  def new!(dtype, shape) do
    type = {dtype!(dtype), if(is_list(shape), do: List.to_tuple(shape), else: shape)}

    valid?(type) ||
      raise ArgumentError,
            "expected a shape of non-negative sizes for #{inspect(dtype)}, got #{inspect(shape)}"

    type
  end

  @doc "The dtype that a term means, or an error."
  @spec dtype(term) :: {:ok, dtype} | :error
  def dtype(form), do: Map.fetch(@dtypes, form)

  @doc "As `dtype/1`. Raises `ArgumentError`."
  @spec dtype!(dtype_form) :: dtype
  def dtype!(form) do
    case @dtypes do
      %{^form => dtype} ->
        dtype

      _ ->
        names = @short |> Map.values() |> Enum.sort() |> Enum.map_join(", ", &inspect/1)

        raise ArgumentError,
              "expected a dtype of #{names}, also written as {:f, 32} or :float32, got #{inspect(form)}"
    end
  end

  @doc "The bytes of one element."
  @spec item_bytes(dtype_form) :: pos_integer
  def item_bytes(dtype) when is_map_key(@bytes, dtype), do: Map.fetch!(@bytes, dtype)
  def item_bytes(form), do: form |> dtype!() |> item_bytes()

  @doc "The number of elements of a shape."
  @spec elements(tuple) :: non_neg_integer
  def elements({}), do: 1
  def elements({a}), do: a
  def elements({a, b}), do: a * b
  def elements(shape), do: shape |> Tuple.to_list() |> Enum.product()

  @doc "The bytes that a tensor of this type holds."
  @spec byte_size(form) :: non_neg_integer
  def byte_size({dtype, shape}), do: elements(shape) * item_bytes(dtype)

  @doc "A type in the form that `inspect/2` shows, as Nx shows it."
  @spec format(form) :: String.t()
  def format({dtype, shape}) do
    {dtype, shape} = new!(dtype, shape)
    "#{format_dtype(dtype)}#{shape |> Tuple.to_list() |> Enum.map_join(&"[#{&1}]")}"
  end

  @doc false
  @spec format_dtype(dtype) :: String.t()
  def format_dtype(dtype), do: @short |> Map.fetch!(dtype) |> Atom.to_string()

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

  @doc false
  # The type as the protocol writes it: `[dtype, [sizes]]`.
  @spec to_wire(t) :: [String.t() | [non_neg_integer]]
  def to_wire({dtype, shape}), do: [Atom.to_string(dtype), Tuple.to_list(shape)]

  @doc false
  # The type that the protocol wrote, or an error.
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
