defmodule Davit.Tensor do
  @moduledoc """
  A tensor: a type and its values, which are in this VM or in an engine.

  Values up to 64 KiB stay in this VM. They are sent with each run that takes them, and outlive any engine. Larger values
  are sent to the engine when the tensor is made, and freed there once no term of this VM refers to the tensor.

      iex> t = Davit.Tensor.from_list([[1, 2], [3, 4]], :f32)
      iex> inspect(t)
      "#Davit.Tensor<f32[2][2] [[1.0, 2.0], [3.0, 4.0]]>"
      iex> {t.type, Davit.Tensor.to_list(t)}
      {{:float32, {2, 2}}, [[1.0, 2.0], [3.0, 4.0]]}

  A tensor whose values are in an engine cannot be used on another node or in another engine (error `:tensor_foreign`), nor
  after that engine ended (`:engine_lost`).
  """

  alias Davit.{Deadline, EngineError, Tensor, Type}
  alias Davit.Engine.{Request, Session}
  alias Davit.Tensor.{Elements, Ref, Transfer}

  @inline 64 * 1024

  @enforce_keys [:type]
  defstruct [:type, :data, :ref]

  @typedoc "An element as an Elixir term. A complex number is `{real, imaginary}`."
  @type number_like :: number | boolean | :nan | :infinity | :neg_infinity | {number, number}

  @typedoc "Elements in nested lists, one level for each axis. A scalar is one element without a list."
  @type nested :: number_like | [nested]

  @typedoc "`data` holds the values of a tensor in this VM; `ref` says where in an engine it is. One may have both."
  @type t :: %__MODULE__{type: Type.t(), data: binary | nil, ref: struct | nil}

  @doc """
  Makes a tensor of raw values: row by row, little-endian.

  Options: `:engine`, the name of the engine; `:place`, where the values of a small tensor are: `:engine`, or `:vm` for
  this VM (the default).
  """
  @spec from_binary(binary, Type.form(), keyword) :: t
  def from_binary(bytes, {_, _} = type, options \\ []) when is_binary(bytes) do
    Davit.Options.check!(options, [:engine, :place])
    tensor = from_binary_in_vm(bytes, type)

    place = Davit.Options.get!(options, :place, :vm, ":vm or :engine", &(&1 in [:vm, :engine]))

    if byte_size(bytes) > @inline or place == :engine do
      put(tensor, Davit.Engine.Lookup.session_for!(options))
    else
      tensor
    end
  end

  @doc """
  Makes a tensor of raw values that stay in this VM, whatever their size, until a run needs them.
  """
  @spec from_binary_in_vm(binary, Type.form()) :: t
  def from_binary_in_vm(bytes, {dtype, shape}) do
    type = Type.new!(dtype, shape)

    if byte_size(bytes) != Type.byte_size(type) do
      raise ArgumentError,
            "#{Type.format(type)} has #{Type.byte_size(type)} bytes, got #{byte_size(bytes)}"
    end

    %Tensor{type: type, data: bytes}
  end

  @doc """
  Makes a tensor of a nested list of numbers, or of one number. `:nan`, `:infinity` and `:neg_infinity` are numbers too, and
  a complex number is `{real, imaginary}`.

  Options are those of `from_binary/3`.

      iex> Davit.Tensor.from_list([1, :infinity], :f16) |> Davit.Tensor.to_list()
      [1.0, :infinity]
  """
  @spec from_list(nested, Type.dtype_form(), keyword) :: t
  def from_list(list, dtype, options \\ []) do
    shape = Elements.shape(list)
    type = Type.new!(dtype, shape)
    list |> Elements.encode(type) |> from_binary(type, options)
  end

  @doc "Makes a tensor of one number."
  @spec scalar(number_like, Type.dtype_form()) :: t
  def scalar(number, dtype), do: from_list(number, dtype)

  @doc """
  Returns the values of a tensor: row by row, little-endian. They are read from the engine if they are not in this VM.

  Options: `:timeout` in milliseconds, default `:infinity`. Raises `Davit.EngineError`.
  """
  @spec to_binary(t, keyword) :: binary
  def to_binary(tensor, options \\ [])
  def to_binary(%Tensor{data: data}, []) when is_binary(data), do: data

  def to_binary(%Tensor{} = tensor, options) do
    Davit.Options.check!(options, [:timeout])
    timeout = Request.timeout!(options)
    tensor.data || read(tensor, timeout)
  end

  defp read(%Tensor{ref: ref, type: type} = tensor, timeout) do
    bytes = Type.byte_size(type)
    metadata = fn -> %{engine: Davit.Engine.Name.of(ref.engine), type: type, bytes: bytes} end
    Davit.Telemetry.span(:get, metadata, fn -> read(tensor, bytes, timeout) end)
  end

  defp read(%Tensor{ref: ref, type: type} = tensor, bytes, timeout) do
    # The timeout covers an engine that is starting.
    deadline = Deadline.new(timeout)
    session = session!(tensor, timeout)
    data = Transfer.get(session, ref.id, bytes, Deadline.left(deadline))
    # The tensor has to be alive until here, or the collector might free it before it is read.
    touch(tensor)

    case data do
      {:ok, data} when byte_size(data) == bytes ->
        data

      {:ok, data} ->
        raise Request.protocol("#{Type.format(type)} came as #{byte_size(data)} bytes")

      {:error, error} ->
        raise error
    end
  end

  @doc "Returns the values of a tensor as a nested list, or as a number for a scalar. Options are those of `to_binary/2`."
  @spec to_list(t, keyword) :: nested
  def to_list(%Tensor{type: type} = tensor, options \\ []) do
    tensor |> to_binary(options) |> Elements.decode(type)
  end

  @doc """
  Frees the memory of a tensor in the engine now. Using the tensor afterwards is an error, unless its values are also in this
  VM.
  """
  @spec free(t) :: :ok
  def free(%Tensor{ref: nil}), do: :ok

  def free(%Tensor{ref: ref} = tensor) do
    case :ets.lookup(ref.engine, :session) do
      [{_, %{instance: instance} = session}] when instance == ref.instance and ref.node == node() ->
        Session.notify(session, 0, ["free", [ref.id]])

      _ ->
        :ok
    end

    touch(tensor)
  rescue
    ArgumentError -> :ok
  end

  @doc """
  Returns the same tensor with its values in the engine. Values in this VM are sent. Runs that take the tensor then need not
  send them each time.
  """
  @spec to_engine(t, Davit.Engine.name()) :: t
  def to_engine(%Tensor{} = tensor, engine \\ Davit.Engine),
    do: put(tensor, Davit.Engine.session!(engine))

  @doc false
  @spec inline_limit() :: pos_integer
  def inline_limit, do: @inline

  @doc false
  # The tensor in this session's engine: sent there where its values are in this VM.
  @spec put(t, Session.t()) :: t
  def put(%Tensor{ref: ref, data: data} = tensor, session) do
    if data == nil or (ref != nil and Ref.in?(ref, session)) do
      # Where it lives elsewhere, this says where.
      fetch_ref!(tensor, session)
      tensor
    else
      Transfer.put(tensor, session)
    end
  end

  @doc false
  @spec session!(t, timeout) :: Session.t()
  def session!(%Tensor{ref: ref} = tensor, timeout \\ :infinity) do
    if ref.node != node(), do: raise(remote(tensor))
    session = Davit.Engine.session!(ref.engine, timeout)
    fetch_ref!(tensor, session)
    session
  end

  @doc false
  # The tensor's id in this session. Raises where it lives in another.
  @spec fetch_ref!(t, Session.t()) :: pos_integer
  def fetch_ref!(%Tensor{ref: ref} = tensor, session) do
    cond do
      ref.node != node() or ref.engine != session.name -> raise remote(tensor)
      ref.instance != session.instance -> raise lost(tensor)
      true -> ref.id
    end
  end

  defp remote(%Tensor{type: type, ref: ref}) do
    %EngineError{
      code: :tensor_foreign,
      message:
        "tensor #{Type.format(type)} lives in #{Davit.Engine.Name.show(ref.engine)} of node #{ref.node}; " <>
          "send its values instead (Davit.Tensor.to_binary/1)"
    }
  end

  defp lost(%Tensor{type: type, ref: ref}) do
    %EngineError{
      code: :engine_lost,
      message:
        "tensor #{Type.format(type)} lived in engine #{ref.instance}, which " <>
          Davit.Engine.death(ref.engine, ref.instance)
    }
  end

  @doc false
  # Keeps a term alive up to the place of this call: nothing is known of a function in another module.
  @spec touch(term) :: :ok
  def touch(_term), do: :ok

  defimpl Inspect do
    import Inspect.Algebra

    def inspect(%{type: type, data: nil, ref: ref}, _) do
      concat(["#Davit.Tensor<", Type.format(type), " in ", Davit.Engine.Name.show(ref.engine), ">"])
    end

    # On one line where it fits.
    def inspect(%{type: type, data: data}, options) do
      values = Davit.Tensor.Format.values(data, type, options)
      inside = concat([break(""), Type.format(type), break(" "), values])
      group(concat([nest(concat("#Davit.Tensor<", inside), 2), break(""), ">"]))
    end
  end
end
