defmodule Davit.Scripts.Notebook do
  # A notebook of Livebook: its cells, run one after the other, with what is printed and shown.

  alias Davit.Scripts.Installed

  defmodule Cell do
    # outputs: the texts that the notebook keeps below the cell; nil if there are none
    defstruct [:line, :code, outputs: nil]
  end

  @output ~s(<!-- livebook:{"output":true} -->)

  @doc "The cells with Elixir code."
  def cells(text), do: text |> String.split("\n") |> Enum.with_index(1) |> cells([], false)

  defp cells([], found, _), do: Enum.reverse(found)
  defp cells([{@output, _} | rest], found, _), do: cells(rest, found, true)

  defp cells([{"```" <> language, line} | rest], found, output?) do
    {block, [_end | rest]} = Enum.split_while(rest, fn {text, _} -> text != "```" end)
    code = Enum.map_join(block, "\n", &elem(&1, 0))

    case {language, output?, found} do
      {"elixir", false, _} ->
        cells(rest, [%Cell{line: line, code: code} | found], false)

      {_, true, [cell | found]} ->
        cells(rest, [%{cell | outputs: (cell.outputs || []) ++ [code]} | found], false)
    end
  end

  defp cells([{"", _} | rest], found, output?), do: cells(rest, found, output?)
  defp cells([_ | rest], found, _), do: cells(rest, found, false)

  @doc """
  Runs the cells. Each must leave behind what the notebook keeps of it, and every kino must be shown and updated. Raises if it is not so.
  """
  def run(path) do
    {:ok, printed} = StringIO.open("")
    leader = Process.group_leader()
    Process.group_leader(self(), printed)

    try do
      start = {[], Code.env_for_eval(file: path), []}
      {_, _, kinos} = path |> File.read!() |> cells() |> Enum.reduce(start, &cell(&1, &2, path))
      Enum.each(kinos, &await_update/1)
    after
      Process.group_leader(self(), leader)
    end
  end

  defp cell(cell, {binding, env, kinos}, path) do
    code = Installed.replace(cell.code, path, cell.line + 1)
    {result, binding, env} = Code.eval_quoted_with_env(code, binding, env)
    livebook()
    shown = printed() ++ if kino?(result), do: [], else: [inspect(result)]
    at = "#{Path.basename(path)}:#{cell.line}"

    if cell.outputs && Enum.map(cell.outputs, &words/1) != Enum.map(shown, &words/1) do
      raise "#{at} keeps the outputs #{inspect(cell.outputs)}; they are #{inspect(shown)}"
    end

    if kino?(result), do: apply(Kino.Render, :to_livebook, [result])
    {binding, env, if(kino?(result), do: [{at, result} | kinos], else: kinos)}
  end

  defp words(text), do: String.split(text)

  # Once Kino is installed, its own stand-in for Livebook is the group leader. It sends what is shown to this process.
  defp livebook do
    group_leader = Module.concat(["Kino.Test.GroupLeader"])

    if List.keymember?(Application.started_applications(), :kino, 0) and
         Process.get(__MODULE__) == nil do
      printed = Process.group_leader()
      {:ok, pid} = group_leader.start_link(self())
      Process.group_leader(pid, printed)
      Process.put(__MODULE__, printed)
      Process.group_leader(self(), pid)
    end
  end

  # What the cell printed.
  defp printed do
    io = Process.get(__MODULE__) || Process.group_leader()
    if (text = StringIO.flush(io)) == "", do: [], else: [text]
  end

  defp kino?(%name{}), do: match?(["Kino" | _], Module.split(name))
  defp kino?(_), do: false

  # A chart gets data, a frame another text than its first.
  defp await_update({at, %{__struct__: Kino.JS.Live, ref: ref}}) do
    receive do
      {:runtime_broadcast, _, ^ref, {:event, "push", %{data: [_ | _]}, _}} -> :ok
    after
      60_000 -> raise "#{at}: the chart got no data"
    end
  end

  defp await_update({at, %{__struct__: Kino.Frame, ref: ref} = frame}) do
    receive do
      {:livebook_put_output, %{type: :frame_update, ref: ^ref, update: {:replace, [%{text: text}]}}} ->
        if not (text =~ ~r/\(event \d+\)/), do: await_update({at, frame})
    after
      60_000 -> raise "#{at}: the frame shows no value"
    end
  end
end
