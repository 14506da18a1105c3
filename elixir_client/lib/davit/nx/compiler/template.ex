if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Template do
    @moduledoc false
    # Tensors of Nx as values of a program. A tensor of a type that MLX does not have is a vector of bytes there: the bits that
    # Nx.BinaryBackend has, filled up to whole bytes.

    alias Davit.{Backend, Tensor}
    alias Davit.Nx.{Types, Value}
    alias Nx.Tensor, as: T

    @doc "The tensor without vectorized axes: they are its first ones."
    @spec plain(T.t()) :: T.t()
    def plain(%T{vectorized_axes: []} = tensor), do: tensor
    def plain(%T{} = tensor), do: Nx.devectorize(tensor)

    @doc "The type in a program."
    @spec type(T.t()) :: Davit.Type.t()
    def type(tensor) do
      tensor = plain(tensor)
      Types.type(tensor) || {:uint8, {div(bits(tensor) + 7, 8)}}
    end

    @doc "Whether MLX has the type."
    @spec native?(T.t()) :: boolean
    def native?(tensor), do: Types.dtype(tensor.type) != nil

    defp bits(%T{type: {_, size}} = tensor), do: Nx.size(tensor) * size

    @doc "The values of a tensor as an input of a program."
    @spec to_input(T.t(), Davit.Engine.name()) :: Tensor.t()
    def to_input(%T{data: %Backend{value: %Tensor{} = value}}, _engine), do: value

    def to_input(%T{data: %Nx.Defn.Expr{}} = tensor, _engine) do
      raise ArgumentError,
            "cannot pass a tensor expression as argument to defn, got: #{inspect(tensor)}"
    end

    def to_input(%T{} = tensor, engine) do
      if native?(tensor) do
        plain(tensor) |> Value.from_binary(Nx.to_binary(tensor), engine) |> to_input(engine)
      else
        %Tensor{type: type(tensor), data: to_bytes(tensor)}
      end
    end

    @doc "The bits, filled up to whole bytes."
    @spec filled(bitstring) :: binary
    def filled(bits) do
      padding = rem(8 - rem(bit_size(bits), 8), 8)
      <<bits::bitstring, 0::size(padding)>>
    end

    @doc "The bytes of a tensor in a program."
    @spec to_bytes(T.t()) :: binary
    def to_bytes(tensor), do: tensor |> Nx.to_binary() |> filled()

    @doc "The tensor like the template that an output, or a value of a hook, holds."
    @spec from_value(T.t(), Tensor.t(), Davit.Engine.name()) :: T.t()
    def from_value(%T{} = template, %Tensor{} = value, engine) do
      if native?(template) do
        %{template | data: %Backend{value: value, engine: engine}}
      else
        bytes = Tensor.to_binary(value)
        size = template |> plain() |> bits()
        <<bits::bitstring-size(size), _::bitstring>> = bytes
        %{template | data: %Backend{value: bits, engine: engine}}
      end
    end

    @doc "A container like the template, of values in their order."
    @spec container(Nx.Container.t(), [Tensor.t()], Davit.Engine.name()) :: Nx.Container.t()
    def container(%T{} = template, [value], engine), do: from_value(template, value, engine)

    def container(template, values, engine) do
      {container, []} =
        Nx.Defn.Composite.traverse(template, values, fn tensor, [value | values] ->
          {from_value(tensor, value, engine), values}
        end)

      container
    end
  end
end
