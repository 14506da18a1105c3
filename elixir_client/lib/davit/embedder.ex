defmodule Davit.Embedder do
  @moduledoc """
  Makes vectors of texts with a model that the engine has opened, see `Davit.Model`.

      model = Davit.Model.load("all-MiniLM-L6-v2")
      vectors = Davit.Embedder.embed(model, ["A davit is a crane.", "The crew lowers the boat."])
      Davit.Tensor.to_list(vectors)

  Any number of processes embed at the same time over one copy of the weights: their calls overlap in the engine, and each has the
  result that it would have alone, up to rounding.
  """

  alias Davit.{Deadline, Model, Tensor, Type}
  alias Davit.Engine.Request
  alias Davit.Tensor.Ref

  # Vectors of at most this many bytes come with the answer.
  @inline 64 * 1024

  @doc """
  Returns the vectors of texts, a tensor `f32[texts][dimension]`. Those of many texts stay in the engine until they are read, and programs take
  them as they are.

  An empty text has the vector of the model's special tokens alone.

  Options:

    * `:too_long`: what happens to a text that has more tokens than the model takes: `:truncate` (the default) uses its first ones, `:refuse` is the
      error `:text_too_long`;
    * `:timeout`: in milliseconds, default `:infinity`. It includes waiting for an engine that is starting.

  Raises `Davit.EngineError`; `ArgumentError` if the texts are not a list of strings. Where the caller is killed, the engine gives up its texts.
  """
  @spec embed(Model.t(), [String.t()], keyword) :: Tensor.t()
  def embed(%Model{} = model, texts, options \\ []) do
    Davit.Options.check!(options, [:too_long, :timeout])
    deadline = options |> Request.timeout!() |> Deadline.new()
    expected = ":truncate or :refuse"
    valid? = &(&1 in [:truncate, :refuse])
    too_long = Davit.Options.get!(options, :too_long, :truncate, expected, valid?)
    check!(texts)
    Model.check_kind!(model, :embedding)

    request = fn session ->
      request(session, model, texts, too_long == :refuse, Deadline.left(deadline))
    end

    case Model.with_session(model, deadline, request) do
      {:ok, tensor} -> tensor
      {:error, error} -> raise error
    end
  end

  defp check!(texts) do
    (is_list(texts) and Enum.all?(texts, &(is_binary(&1) and String.valid?(&1)))) ||
      raise ArgumentError, "expected a list of strings, got #{Davit.Show.show(texts)}"
  end

  defp request(session, model, texts, refuse?, timeout) do
    count = length(texts)
    bytes = 4 * count * model.dimension
    ref = if bytes > @inline, do: Ref.new(session, bytes)
    message = ["embed", model.id, ref && ref.id, count, refuse?]
    answer = Request.call(session, message, texts, timeout)
    # Both have to be alive until the engine has answered.
    Tensor.touch({ref, model})
    with {:ok, result, values} <- answer, do: {:ok, tensor!(result, values, ref)}
  end

  defp tensor!(%{"type" => wire, "value" => value}, values, ref) do
    case Type.from_wire(wire) do
      {:ok, type} when ref == nil and value == 0 ->
        %Tensor{type: type, data: :binary.copy(elem(values, 0))}

      {:ok, type} when ref != nil ->
        %Tensor{type: type, ref: ref}

      _ ->
        raise Request.protocol("`embed` was answered with #{Davit.Show.show(wire)}")
    end
  end

  defp tensor!(other, _values, _ref),
    do: raise(Request.protocol("`embed` was answered with #{Davit.Show.show(other)}"))
end
