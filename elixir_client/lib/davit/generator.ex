defmodule Davit.Generator do
  @moduledoc """
  Has a language model that the engine has opened write text, see `Davit.Model`.

      model = Davit.Model.load("SmolLM2-135M-Instruct.Q4_1.gguf")

      for %{text: text} <- Davit.Generator.stream(model, user: "What is a davit?") do
        IO.write(text)
      end

  A prompt is one of:

    * a text, which is gone on after as it is;
    * a list of tokens, the numbers that the model has for pieces of text;
    * the messages of a chat, `[{role, content}]` with the roles `:system`, `:user` and `:assistant`, which are answered in the form that the
      model was trained with.

  Any number of processes generate at the same time over one copy of the weights, each with keys and values of its own. Hooks show the
  layers while the model speaks (`Davit.Hooks`): there are `attention` of each layer and `logits`, and the labels `layers.N.attention` and
  `layers.N.feed_forward` for probes.

  `stream/3`, `generate/3` and `snapshot/3` raise `Davit.EngineError`.
  """

  alias Davit.{Collector, Deadline, Model, Options, Tensor}
  alias Davit.Engine.{Request, Session}
  alias Davit.Generator.Snapshot

  @typedoc "What is gone on after."
  @type prompt :: String.t() | [non_neg_integer] | [{role :: atom | String.t(), String.t()}]

  @typedoc """
  A token, and the text that is certain with it: of a character in parts, all comes with the last one. The last element has no token, and
  says why the text ended: the model ended it or a stop text came, `:max_tokens` were there, or the model's context is full.
  """
  @type token :: %{
          token: non_neg_integer | nil,
          text: String.t(),
          reason: nil | :stop | :length | :context
        }

  @typedoc "What was generated, with the tokens of the prompt, and milliseconds until the first token and from there to the last."
  @type generated :: %{
          text: String.t(),
          tokens: [non_neg_integer],
          prompt_ids: [non_neg_integer],
          reason: :stop | :length | :context,
          prefill_ms: number,
          decode_ms: number
        }

  @reasons %{"stop" => :stop, "length" => :length, "context" => :context}

  @doc """
  Returns a stream of tokens. A token is computed when it is asked for. Whoever takes no more of the stream, or dies, ends the generation: its
  memory in the engine is freed, and a token that is being computed is given up.

  Options:

    * `:max_tokens`: the most tokens; by default as many as fit into the model's context;
    * `:temperature`: what scores are divided by. 0, the default, always takes the likeliest token; 0.7 varies, 1 varies more;
    * `:top_k`: chooses among so many of the likeliest tokens;
    * `:top_p`: chooses among the fewest of the likeliest tokens that have this probability together;
    * `:repetition_penalty`: above 1, tokens that were there already become less likely;
    * `:seed`: a whole number; the same one chooses the same tokens;
    * `:stop`: texts that end the generation, and are not part of its text;
    * `:snapshot`: the beginning of the prompt, which is computed already, of `snapshot/3`;
    * `:timeout`: for each token, in milliseconds, default `:infinity`.
  """
  @spec stream(Model.t(), prompt, keyword) :: Enumerable.t()
  def stream(%Model{} = model, prompt, options \\ []) do
    start = starter!(model, prompt, options)

    Stream.resource(start, &next/1, &close/1)
    |> Stream.map(fn {token, _end} -> token end)
  end

  @doc "Generates a whole text. The options are those of `stream/3`."
  @spec generate(Model.t(), prompt, keyword) :: generated
  def generate(%Model{} = model, prompt, options \\ []) do
    start = starter!(model, prompt, options)
    all = start |> Stream.resource(&next/1, &close/1) |> Enum.to_list()
    {%{reason: reason}, ended} = List.last(all)

    %{
      text: Enum.map_join(all, fn {%{text: text}, _} -> text end),
      tokens: for({%{token: token}, nil} <- all, do: token),
      prompt_ids: ended["prompt_ids"],
      reason: reason,
      prefill_ms: ended["prefill_ms"],
      decode_ms: ended["decode_ms"]
    }
  end

  @doc """
  Computes the beginning of prompts, such as a long system message, and keeps it for the option `:snapshot` of `stream/3`. What a prompt has
  in common with it is not computed again; a prompt may also begin in another way, or have only a part of it.

  Options: `:timeout`, in milliseconds, default `:infinity`.
  """
  @spec snapshot(Model.t(), prompt, keyword) :: Snapshot.t()
  def snapshot(%Model{} = model, prompt, options \\ []) do
    Options.check!(options, [:timeout])
    deadline = options |> Request.timeout!() |> Deadline.new()
    Model.check_kind!(model, :language)
    prompt = prompt!(prompt)

    made =
      Model.with_session(model, deadline, fn session ->
        {id, token} = Collector.mint(session, :snapshot, 0)
        snapshot = %Snapshot{id: id, token: token, model: model, prompt: prompt}
        Snapshot.make(snapshot, session, Deadline.left(deadline))
      end)

    ok!(made)
  end

  # What begins the generation, in the process that takes the tokens: the engine ends it with that process.
  defp starter!(model, prompt, options) do
    Model.check_kind!(model, :language)
    prompt = prompt!(prompt)
    {snapshot, wire} = options!(options)
    timeout = Request.timeout!(options)

    fn ->
      deadline = Deadline.new(timeout)
      make = &Snapshot.make(snapshot, &1, Deadline.left(deadline))

      begun =
        Model.with_session(model, deadline, fn session ->
          begin = fn -> begin(session, model, prompt, wire, snapshot, Deadline.left(deadline)) end

          # An engine that was restarted has to compute it again.
          with {:error, %{code: :snapshot_unknown}} <- begin.(),
               {:ok, _} <- Model.with_session(snapshot.model, deadline, make),
               do: begin.()
        end)

      {session, id, first} = ok!(begun)
      {:first, first, {session, id, timeout}}
    end
  end

  defp begin(session, model, prompt, wire, snapshot, timeout) do
    id = Session.next_id(session)
    message = ["generate", id, Session.queue(session), model.id, prompt, wire]
    answer = Request.call(session, message, [], timeout)
    # They have to be alive until the engine has begun.
    Tensor.touch({model, snapshot})
    with {:ok, first, _} <- answer, do: {:ok, {session, id, first}}
  end

  defp next({:first, answer, generation}), do: emit(answer, generation)

  defp next({:more, {session, id, timeout} = generation}) do
    case Request.call(session, ["next_token", id], [], timeout) do
      {:ok, answer, _} -> emit(answer, generation)
      {:error, error} -> raise error
    end
  end

  defp next(:over), do: {:halt, :over}

  defp emit(%{"token" => token, "text" => text, "end" => nil}, generation),
    do: {[{%{token: token, text: text, reason: nil}, nil}], {:more, generation}}

  defp emit(%{"end" => %{"reason" => reason} = ended}, _more),
    do: {[{%{token: nil, text: "", reason: Map.fetch!(@reasons, reason)}, ended}], :over}

  defp emit(other, _generation),
    do: raise(Request.protocol("a generation was answered with #{Davit.Show.show(other)}"))

  defp close(:over), do: :ok

  defp close({:first, _answer, generation}), do: close({:more, generation})

  defp close({:more, {session, id, _timeout}}),
    do: Session.notify(session, 0, ["close_generation", id])

  defp ok!({:ok, result}), do: result
  defp ok!({:error, error}), do: raise(error)

  @options [
    max_tokens: {"a positive integer", :positive},
    temperature: {"a number from 0", :number},
    top_k: {"a positive integer", :positive},
    top_p: {"a number from 0 to 1", :number},
    repetition_penalty: {"a number above 0", :number},
    seed: {"an integer from 0", :count},
    stop: {"a list of strings", :strings},
    snapshot: {"a Davit.Generator.Snapshot", :snapshot}
  ]

  # The ranges of numbers are checked by the engine.
  defp options!(options) do
    Options.check!(options, Keyword.keys(@options) ++ [:timeout])

    given =
      for {name, {expected, kind}} <- @options, Keyword.has_key?(options, name), into: %{} do
        {name, Options.get!(options, name, nil, expected, &valid?(kind, &1))}
      end

    {snapshot, given} = Map.pop(given, :snapshot)
    wire = for {name, value} <- given, into: %{}, do: {Atom.to_string(name), value}
    {snapshot, if(snapshot, do: Map.put(wire, "snapshot", snapshot.id), else: wire)}
  end

  defp valid?(:positive, value), do: is_integer(value) and value > 0
  defp valid?(:count, value), do: is_integer(value) and value >= 0
  defp valid?(:number, value), do: is_number(value)
  defp valid?(:strings, value), do: is_list(value) and Enum.all?(value, &text?/1)
  defp valid?(:snapshot, value), do: is_struct(value, Snapshot)

  defp prompt!(text) when is_binary(text), do: if(text?(text), do: text, else: wrong_prompt!(text))

  defp prompt!([{_, _} | _] = messages), do: Enum.map(messages, &message!/1)

  defp prompt!(ids) when is_list(ids),
    do: if(Enum.all?(ids, &(is_integer(&1) and &1 >= 0)), do: ids, else: wrong_prompt!(ids))

  defp prompt!(other), do: wrong_prompt!(other)

  defp message!({role, content} = message) do
    if (is_atom(role) or text?(role)) and text?(content),
      do: [to_string(role), content],
      else: wrong_prompt!(message)
  end

  defp message!(other), do: wrong_prompt!(other)

  @spec wrong_prompt!(term) :: no_return
  defp wrong_prompt!(prompt) do
    expected = "a string, a list of tokens, or a list of messages {role, content}"
    raise ArgumentError, "expected the prompt to be #{expected}, got #{Davit.Show.show(prompt)}"
  end

  defp text?(value), do: is_binary(value) and String.valid?(value)
end
