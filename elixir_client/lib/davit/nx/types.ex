defmodule Davit.Nx.Types do
  @moduledoc false
  # Types of Nx and of MLX. Nx writes `{:f, 32}`, MLX `float32`. Nx has no bool; it uses u8 for that.

  @type nx :: {atom, pos_integer}

  @doc "MLX's dtype of a type of Nx; nil where MLX has none: 8-bit floats, integers below a byte, c128."
  @spec dtype(nx) :: Davit.Type.dtype() | nil
  def dtype({_, _} = type) do
    case Davit.Type.dtype(type) do
      {:ok, dtype} -> dtype
      :error -> nil
    end
  end

  @doc "The type of a tensor with a type and shape of Nx, or nil."
  @spec type(%{type: nx, shape: tuple}) :: Davit.Type.t() | nil
  def type(%{type: type, shape: shape}) do
    dtype = dtype(type)
    dtype && {dtype, shape}
  end

  @doc "What kind of number a dtype holds."
  @spec kind(Davit.Type.dtype()) :: :unsigned | :signed | :float | :complex | :bool
  def kind(dtype) when dtype in [:uint8, :uint16, :uint32, :uint64], do: :unsigned
  def kind(dtype) when dtype in [:int8, :int16, :int32, :int64], do: :signed
  def kind(dtype) when dtype in [:float16, :bfloat16, :float32, :float64], do: :float
  def kind(:complex64), do: :complex
  def kind(:bool), do: :bool

  @doc "Tells whether a dtype holds integers."
  @spec integer?(Davit.Type.dtype()) :: boolean
  def integer?(dtype), do: kind(dtype) in [:unsigned, :signed]

  @doc "Bits of an element."
  @spec bits(Davit.Type.dtype()) :: pos_integer
  def bits(dtype), do: 8 * Davit.Type.item_bytes(dtype)

  @doc "The unsigned dtype of the same width."
  @spec unsigned(Davit.Type.dtype()) :: Davit.Type.dtype()
  def unsigned(dtype),
    do: Map.fetch!(%{8 => :uint8, 16 => :uint16, 32 => :uint32, 64 => :uint64}, bits(dtype))

  @doc "The dtype in which floats of a dtype are summed: half precision in single."
  @spec wide(Davit.Type.dtype()) :: Davit.Type.dtype()
  def wide(dtype) when dtype in [:float16, :bfloat16], do: :float32
  def wide(dtype), do: dtype
end
