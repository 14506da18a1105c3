if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Key do
    @moduledoc false
    # What tells two calls of the compiler apart: which function, what it captured, and the templates of its arguments. A key holds
    # no function and no tensor. Floats are in it by their bits, since 0.0 and -0.0 are equal on OTP 25; long binaries and the
    # values of tensors by their hash; tensors in an engine by their id, which is never used again, and in a key for other VMs by which of
    # them are the same.

    alias Davit.{Backend, Tensor}
    alias Davit.Nx.Compiler.Template
    alias Nx.Tensor, as: T

    # A binary of at most this many bytes is in a key as it is.
    @short 64

    @doc """
    The key of a term, and the tensors in it, in the order in which they are met: another term with the same key has the same
    tensors in the same order.
    """
    @spec of(term) :: {term, [T.t()]}
    def of(term) do
      {key, tensors} = key(term, [])
      {key, Enum.reverse(tensors)}
    end

    @doc """
    A key, with the tensors of the term, for any VM: of a tensor that is in an engine it has the type, and which others in the term are
    the same.
    """
    @spec portable(term, [T.t()]) :: term
    def portable(key, tensors) do
      ids = for %T{data: %Backend{value: %Tensor{data: nil, ref: ref}}} <- tensors, do: id(ref)
      numbered(key, ids |> Enum.uniq() |> Enum.with_index() |> Map.new())
    end

    defp numbered(key, numbers) when numbers == %{}, do: key

    defp numbered({:tensor, type, shape, names, axes, id}, numbers)
         when is_map_key(numbers, id),
         do: {:tensor, type, shape, names, axes, {:engine, numbers[id]}}

    defp numbered([head | tail], numbers), do: [numbered(head, numbers) | numbered(tail, numbers)]

    defp numbered(tuple, numbers) when is_tuple(tuple),
      do: tuple |> Tuple.to_list() |> numbered(numbers) |> List.to_tuple()

    defp numbered(other, _), do: other

    @doc "Which function it is, whatever it captured."
    @spec function(fun) :: term
    def function(fun) do
      info = Function.info(fun)

      case info[:type] do
        # A module that is loaded again is another one.
        :external -> {info[:module], info[:name], info[:arity], md5(info[:module])}
        :local -> {info[:module], info[:new_uniq], info[:new_index], info[:arity]}
      end
    end

    defp md5(module), do: module.module_info(:md5)

    @doc """
    Whether a term holds what belongs to a process or a moment: a pid, a port, a reference, or a tensor for which `tensor?` is true. The
    key of a function does not say what the functions hold that it makes while it is traced.
    """
    @spec bound?(term, (T.t() -> boolean)) :: boolean
    def bound?(term, tensor? \\ fn _ -> false end)

    def bound?(term, _) when is_pid(term) or is_port(term) or is_reference(term), do: true
    def bound?(%T{} = tensor, tensor?), do: tensor?.(tensor)
    def bound?([head | tail], tensor?), do: bound?(head, tensor?) or bound?(tail, tensor?)
    def bound?(tuple, tensor?) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> bound?(tensor?)
    def bound?(map, tensor?) when is_map(map), do: map |> :maps.to_list() |> bound?(tensor?)
    def bound?(fun, tensor?) when is_function(fun), do: fun |> environment() |> bound?(tensor?)
    def bound?(_, _), do: false

    # What a function captured. An evaluated function holds its code there as well.
    defp environment(fun) do
      case Function.info(fun, :type) do
        {:type, :local} -> fun |> Function.info(:env) |> elem(1)
        {:type, :external} -> []
      end
    end

    defp key(term, tensors)
         when is_atom(term) or is_integer(term) or is_pid(term) or is_port(term) or
                is_reference(term),
         do: {term, tensors}

    defp key(float, tensors) when is_float(float), do: {{:float, <<float::float>>}, tensors}
    defp key(bits, tensors) when is_bitstring(bits), do: {bits(bits), tensors}
    defp key([], tensors), do: {[], tensors}

    defp key([head | tail], tensors) do
      {head, tensors} = key(head, tensors)
      {tail, tensors} = key(tail, tensors)
      {[head | tail], tensors}
    end

    defp key(%T{} = tensor, tensors) do
      {values, tensors} = values(tensor, tensors)

      {{:tensor, tensor.type, tensor.shape, tensor.names, tensor.vectorized_axes, values}, tensors}
    end

    defp key(tuple, tensors) when is_tuple(tuple) do
      {list, tensors} = tuple |> Tuple.to_list() |> key(tensors)
      {List.to_tuple(list), tensors}
    end

    defp key(map, tensors) when is_map(map) do
      {list, tensors} = map |> :maps.to_list() |> key(tensors)
      {{:map, list}, tensors}
    end

    defp key(fun, tensors) when is_function(fun) do
      {environment, tensors} = fun |> environment() |> key(tensors)
      {{:function, function(fun), environment}, tensors}
    end

    # An argument that is only a template.
    defp values(%T{data: %Nx.Defn.Expr{op: :parameter}}, tensors), do: {:parameter, tensors}

    defp values(%T{data: %Backend{value: %Tensor{data: nil, ref: ref}}} = tensor, tensors),
      do: {id(ref), [tensor | tensors]}

    defp values(%T{data: %Backend{value: %Tensor{data: bytes}}} = tensor, tensors),
      do: {bits(bytes), [tensor | tensors]}

    defp values(%T{data: %Backend{value: bits}} = tensor, tensors),
      do: {bits(bits), [tensor | tensors]}

    defp values(%T{data: %Nx.BinaryBackend{state: bits}} = tensor, tensors),
      do: {bits(bits), [tensor | tensors]}

    # Of another backend: its own term says which values they are.
    defp values(%T{data: data} = tensor, tensors) do
      {key, _} = key(data, [])
      {key, [tensor | tensors]}
    end

    defp id(ref), do: {ref.node, ref.engine, ref.instance, ref.id}

    defp bits(bits) when byte_size(bits) <= @short, do: bits

    defp bits(bits), do: {:hash, bit_size(bits), :crypto.hash(:sha256, Template.filled(bits))}
  end
end
