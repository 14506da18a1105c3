defmodule Davit.Model do
  @moduledoc """
  A model that an engine has opened: an embedding model, for `Davit.Embedder`, or a language model, for `Davit.Generator`.

      model = Davit.Model.load("all-MiniLM-L6-v2")
      vectors = Davit.Embedder.embed(model, ["A davit is a crane.", "The crew lowers the boat."])

  The weights are in the engine, once: all processes use the same ones at the same time, and so do other VMs that are connected
  to the engine (`davit serve`) and open the same files. They are freed once no term of any VM refers to them. A model outlives
  its engine: where that was restarted, the files are read again when the model is used.

    * `path`: the folder or the file;
    * `kind`: `:embedding` or `:language`;
    * `longest`: the most tokens of a text;
    * `bytes`: the bytes of the weights;
    * `dimension`, of an embedding model: how many numbers a vector has;
    * `pooling`, of an embedding model: how the vectors of a text's tokens become one, a map with `:mode`, `:normalize` and, where it is
      cut, `:dimension`;
    * `vocabulary`, of a language model: how many tokens there are.

  `docs/models.md` says which models there are.
  """

  alias Davit.{Collector, Deadline, EngineError, Tensor}
  alias Davit.Engine.{Lookup, Request, Session}

  @derive {Inspect, only: [:path, :kind, :dimension]}
  @enforce_keys [:id, :token, :engine, :node, :path, :requested]
  defstruct [
    :id,
    :token,
    :engine,
    :node,
    :path,
    :requested,
    :kind,
    :dimension,
    :longest,
    :pooling,
    :vocabulary,
    :bytes
  ]

  @type t :: %__MODULE__{
          id: pos_integer,
          token: binary,
          engine: atom,
          node: node,
          path: Path.t(),
          requested: map | nil,
          kind: :embedding | :language,
          dimension: pos_integer | nil,
          longest: pos_integer,
          pooling: map | nil,
          vocabulary: pos_integer | nil,
          bytes: non_neg_integer
        }

  @modes [:mean, :max, :cls, :first, :last]

  @doc """
  Opens a Hugging Face folder or a GGUF file on the engine's machine. A relative path is one of this VM's working directory.

  Options:

    * `:engine`: the name of the engine;
    * `:pooling`: in place of an embedding model's own, a keyword list of `:mode` (`:mean`, `:max`, `:cls`, `:first` or `:last`), `:normalize`
      (whether vectors are made 1 long, default false) and `:dimension` (how many numbers are kept);
    * `:timeout`: in milliseconds, default `:infinity`. It includes waiting for an engine that is starting.

  Raises `Davit.EngineError`.
  """
  @spec load(Path.t(), keyword) :: t
  def load(path, options \\ []) do
    Davit.Options.check!(options, [:engine, :pooling, :timeout])
    deadline = options |> Request.timeout!() |> Deadline.new()
    requested = pooling!(options[:pooling])
    session = Lookup.session_for!(options, Deadline.left(deadline))
    {id, token} = Collector.mint(session, :model, 0)

    model = %__MODULE__{
      id: id,
      token: token,
      engine: session.name,
      node: node(),
      path: Path.expand(path),
      requested: requested
    }

    case open(model, session, Deadline.left(deadline)) do
      {:ok, result} -> with_result(model, result)
      {:error, error} -> raise error
    end
  end

  defp pooling!(nil), do: nil

  defp pooling!(pooling) do
    Davit.Options.check!(pooling, [:mode, :normalize, :dimension])
    expected = "one of #{Enum.map_join(@modes, ", ", &inspect/1)}"
    mode = Davit.Options.get!(pooling, :mode, :mean, expected, &(&1 in @modes))
    boolean = "true or false"
    normalize = Davit.Options.get!(pooling, :normalize, false, boolean, &is_boolean/1)
    number = "a positive number"
    positive? = &(is_integer(&1) and &1 > 0)
    dimension = Davit.Options.get!(pooling, :dimension, nil, number, positive?)
    given = %{"mode" => Atom.to_string(mode), "normalize" => normalize}
    if dimension, do: Map.put(given, "dimension", dimension), else: given
  end

  # The token has to be alive until the engine has the request.
  defp open(%__MODULE__{} = model, session, timeout) do
    message = ["open_model", model.id, model.path, model.requested]
    answer = Request.call(session, message, [], timeout)
    Tensor.touch(model)
    with {:ok, result, _} <- answer, do: {:ok, result}
  end

  defp with_result(model, %{"kind" => "embedding"} = result) do
    %{"dimension" => dimension, "longest" => longest, "pooling" => pooling} = result

    %{
      model
      | kind: :embedding,
        dimension: dimension,
        longest: longest,
        pooling: atoms(pooling),
        bytes: result["bytes"]
    }
  end

  defp with_result(model, %{"kind" => "language"} = result) do
    %{"vocabulary" => vocabulary, "context" => context, "bytes" => bytes} = result
    %{model | kind: :language, vocabulary: vocabulary, longest: context, bytes: bytes}
  end

  defp with_result(_model, other),
    do: raise(Request.protocol("`open_model` was answered with #{Davit.Show.show(other)}"))

  defp atoms(pooling) do
    for {key, value} <- pooling, into: %{} do
      case key do
        "mode" -> {:mode, String.to_existing_atom(value)}
        "normalize" -> {:normalize, value}
        "dimension" -> {:dimension, value}
      end
    end
  end

  @doc false
  # Raises where a model is not of the kind that a function takes.
  @spec check_kind!(t, :embedding | :language) :: :ok
  def check_kind!(%__MODULE__{kind: kind}, kind), do: :ok

  def check_kind!(%__MODULE__{path: path, kind: kind}, expected) do
    raise ArgumentError,
          "expected a model of the kind #{inspect(expected)}, got #{inspect(kind)}: #{path}"
  end

  @doc false
  # Calls a function with the session of the model, and once more where the engine was restarted since the model was opened.
  @spec with_session(
          t,
          Deadline.t(),
          (Session.t() -> {:ok, result} | {:error, EngineError.t()})
        ) :: {:ok, result} | {:error, EngineError.t()}
        when result: term
  def with_session(%__MODULE__{} = model, deadline, fun) do
    session = session!(model, Deadline.left(deadline))

    with {:error, %EngineError{code: :model_unknown}} <- fun.(session),
         # It keeps its id. Where several processes open it again at once, the engine reads the files once.
         {:ok, _} <- open(model, session, Deadline.left(deadline)),
         do: fun.(session)
  end

  defp session!(%__MODULE__{node: node, engine: engine}, timeout) when node == node(),
    do: Davit.Engine.session!(engine, timeout)

  defp session!(%__MODULE__{node: node}, _timeout) do
    message = "the model lives on node #{node}; load it here"
    raise %EngineError{code: :program_foreign, message: message}
  end

  @doc false
  @spec unload(Session.t(), pos_integer) :: :ok
  def unload(session, id), do: Session.notify(session, 0, ["close_model", id])
end
