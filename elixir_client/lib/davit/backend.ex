if Code.ensure_loaded?(Nx) do
  defmodule Davit.Backend do
    @moduledoc """
    A backend of Nx: tensors live in a Davit engine, and MLX computes.

        Nx.default_backend(Davit.Backend)
        Nx.tensor([1, 2, 3]) |> Nx.add(1) |> Nx.sum()

    An operation is sent to the engine and not waited for. Only what reads values waits: `Nx.to_number/1`, `inspect/2`, and so on.
    An operation that fails makes whatever depends on it fail with the same `Davit.EngineError`.

    Options, as in `Nx.default_backend({Davit.Backend, engine: MyEngine})`:

      * `:engine`: the engine's name, default `Davit.Engine`;
      * `:vm_bytes`: `Nx.BinaryBackend` computes an operation in this VM if its operands are in this VM, and if neither they nor the
        result have more bytes than this. The default is 0: no operation. A few hundred bytes make programs faster that compute
        on single numbers.

    `config :davit, add_backend_on_inspect: false` leaves the engine's name out where a tensor is inspected.

    docs/nx.md says which types live where, and what is computed by `Nx.BinaryBackend`.
    """

    @behaviour Nx.Backend

    alias Davit.Nx.{BlockDefault, Host, Lowering, Types, Value}
    alias Davit.Tensor
    alias Nx.Tensor, as: T

    @enforce_keys [:value, :engine]
    defstruct [:value, :engine, vm_bytes: 0]

    @typedoc "`value` is a tensor of Davit, or the bits of one whose type MLX does not have."
    @type t :: %__MODULE__{
            value: Tensor.t() | bitstring,
            engine: Davit.Engine.name(),
            vm_bytes: non_neg_integer
          }

    # A result of `constant`, `eye` or `iota` of at most this many bits is made in this VM, which takes less time than a request, and
    # stays here.
    @vm_bits 512

    @impl true
    def init(options) do
      Davit.Options.check!(options, [:engine, :vm_bytes])
      Davit.Options.get!(options, :vm_bytes, 0, "a number of bytes", &(is_integer(&1) and &1 >= 0))
      options
    end

    ## Life

    @impl true
    def constant(out, number, options), do: create(out, :constant, [number], options)

    @impl true
    def from_binary(out, binary, options),
      do: Value.from_binary(out, binary, engine(options), vm_bytes(options))

    @impl true
    def eye(out, options), do: create(out, :eye, [], options)

    @impl true
    def iota(out, axis, options), do: create(out, :iota, [axis], options)

    defp create(out, name, arguments, options) do
      if make_here?(out, name) do
        made = apply(Nx.BinaryBackend, name, [out | arguments] ++ [[]])
        from_binary(out, Nx.to_binary(made), options)
      else
        Value.compute(engine(options), out, name, arguments, vm_bytes(options))
      end
    end

    defp make_here?(%{type: {_, size}} = out, name) do
      if Types.type(out), do: Nx.size(out) * size <= @vm_bits, else: name == :constant
    end

    defp vm_bytes(options), do: options[:vm_bytes] || 0
    defp engine(options), do: options[:engine] || Davit.Engine

    @impl true
    def to_binary(%T{type: {_, size}} = tensor, limit) do
      bits = Value.to_binary(tensor, limit)
      <<part::bitstring-size(limit * size), _::bitstring>> = bits
      part
    end

    @impl true
    def backend_copy(tensor, backend, options), do: backend_transfer(tensor, backend, options)

    @impl true
    def backend_transfer(tensor, Nx.Tensor, _options), do: tensor

    def backend_transfer(%T{data: %{engine: engine}} = tensor, __MODULE__, options) do
      if engine(options) == engine,
        do: tensor,
        else: from_binary(tensor, Nx.to_binary(tensor), options)
    end

    def backend_transfer(tensor, backend, options),
      do: backend.from_binary(tensor, Nx.to_binary(tensor), backend.init(options))

    @impl true
    def backend_deallocate(tensor), do: Value.free(tensor)

    @impl true
    def to_batched(out, tensor, options),
      do: Davit.Nx.Batches.split(out, tensor, options[:leftover])

    @impl true
    def from_pointer(_, _, _, _, _), do: raise(ArgumentError, no_pointers())

    @impl true
    def to_pointer(_, _), do: raise(ArgumentError, no_pointers())

    defp no_pointers, do: "Davit.Backend has no pointers: its tensors live in another process"

    @impl true
    def inspect(tensor, options) do
      limit = if options.limit == :infinity, do: Nx.size(tensor), else: options.limit + 1
      binary = to_binary(tensor, min(limit, Nx.size(tensor)))
      shown = Nx.Backend.inspect(tensor, binary, options)

      if Application.get_env(:davit, :add_backend_on_inspect, true) do
        import Inspect.Algebra
        title = "Davit.Backend<#{Kernel.inspect(tensor.data.engine)}>"
        concat([title, line(), shown])
      else
        shown
      end
    end

    ## Operations

    # The callbacks above are no operations. Those that take a function are below: Nx.BinaryBackend computes them.
    callbacks = Nx.Backend.behaviour_info(:callbacks) -- Module.definitions_in(__MODULE__, :def)

    for {name, arity} <- callbacks, name in Lowering.names() do
      arguments = Macro.generate_arguments(arity - 1, __MODULE__)

      @impl true
      def unquote(name)(out, unquote_splicing(arguments)),
        do: Value.compute(out, unquote(name), unquote(arguments))
    end

    @impl true
    def reduce(out, tensor, accumulator, options, fun),
      do: Host.compute(out, :reduce, [tensor, accumulator, options, fun])

    @impl true
    def window_reduce(out, tensor, accumulator, window, options, fun),
      do: Host.compute(out, :window_reduce, [tensor, accumulator, window, options, fun])

    @impl true
    def block(block, output, arguments, fun) do
      with :default <- Value.compute_block(block, output, arguments),
           do: BlockDefault.compute(block, arguments, fun)
    end
  end
end
