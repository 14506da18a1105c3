# A training that gives NaN, written with Davit.Graph and gradients by hand, and how to find out why: first where, by
# a probe, then why, by comparing recordings. docs/debugging.md tells the story.
#
#     cd elixir_client && mix run ../examples/nan/debug.exs

defmodule Training do
  alias Davit.Graph, as: G

  @points 48
  @classes 3
  @steps 100
  @rate 0.3

  @doc "Three clouds of points, the same every time, in inches; but somebody measured point 17 in millimetres."
  def points do
    {rows, _} =
      Enum.map_reduce(0..(@points - 1), 1, fn n, state ->
        class = rem(n, @classes)
        unit = if n == 17, do: 25.4, else: 1.0
        {across, state} = random(state)
        {up, state} = random(state)

        x = [
          unit * (Enum.at([0, 0, 1], class) + 0.3 * across),
          unit * (Enum.at([0, 1, 0], class) + 0.3 * up)
        ]

        {{x, for(k <- 0..2, do: if(k == class, do: 1.0, else: 0.0))}, state}
      end)

    Enum.unzip(rows)
  end

  defp random(state) do
    state = rem(state * 48_271, 2_147_483_647)
    {state / 2_147_483_647, state}
  end

  @doc """
  All steps as one graph, from weights, bias, points and classes. `way` computes, from the scores and the
  classes, the logarithms of the probabilities, and the derivative of the loss by the scores.
  """
  def graph(way) do
    types = [{2, @classes}, {@classes}, {@points, 2}, {@points, @classes}]

    G.build(for(shape <- types, do: {:float32, shape}), fn w, b, x, y ->
      G.for_loop(@steps, {w, b}, fn _step, w, b ->
        scores = x |> G.matmul(w) |> G.add(b, label: "scores")
        {logs, d_scores} = way.(scores, y)
        picked = G.multiply(y, logs, label: "picked")
        picked |> G.sum(axes: [1]) |> G.mean() |> G.negative() |> G.hook("loss")

        d_w = x |> G.transpose() |> G.matmul(d_scores)
        d_b = G.sum(d_scores, axes: [0])

        {G.subtract(w, G.multiply(d_w, @rate), label: "w"),
         G.subtract(b, G.multiply(d_b, @rate), label: "b")}
      end)
    end)
  end

  @doc "One formula after the other, and the chain rule backwards."
  def by_the_book(scores, y) do
    p = G.softmax(scores, axes: [1], label: "softmax")
    logs = G.log(p, label: "log_softmax")
    d_p = y |> G.divide(p) |> G.multiply(-1 / @points, label: "d_softmax")
    inner = G.sum(G.multiply(d_p, p), axes: [1], keepdims: true)
    {logs, G.multiply(p, G.subtract(d_p, inner), label: "d_scores")}
  end

  @doc "The same, with what cancels out taken out by hand."
  def stable(scores, y) do
    logs = G.subtract(scores, G.logsumexp(scores, axes: [1], keepdims: true), label: "log_softmax")

    d_scores = logs |> G.exp() |> G.subtract(y) |> G.multiply(1 / @points, label: "d_scores")
    {logs, d_scores}
  end
end

defmodule Detective do
  alias Davit.{Hooks, Recording}

  def run(folder) do
    :ok = Davit.Engine.await()
    {x, y} = Training.points()
    inputs = [[[0.1, -0.1, 0.0], [0.0, 0.1, -0.1]], [0.0, 0.0, 0.0], x, y]
    bad = (&Training.by_the_book/2) |> Training.graph() |> Davit.load()
    good = (&Training.stable/2) |> Training.graph() |> Davit.load()

    IO.puts("The training. Every 8th loss:\n")
    IO.puts("  " <> Enum.join(losses(bad, inputs), "  "))

    IO.puts("\nWhere does it begin? Another process watches every label, as summaries:\n")

    for event <- while_watching(fn -> Davit.run(bad, inputs) end) do
      %{nan: nan, inf: inf} = Hooks.Event.value(event)
      label = String.pad_trailing(event.label, 12)
      IO.puts("  step #{hd(event.path)}  #{label}  #{nan} NaN  #{inf} infinite")
    end

    IO.puts("\nWhat should have been there? The same training in other formulas, compared:\n")
    files = for name <- ["good.rec", "bad.rec"], do: Path.join(folder, name)

    for {program, path} <- Enum.zip([good, bad], files) do
      {:ok, recording} = Recording.start(path, {:probe, "*"})
      Davit.run(program, inputs)
      {:ok, _events} = Recording.stop(recording)
    end

    report = diff(files)
    IO.puts(report)

    [_, row] = Regex.run(~r/element \[(\d+),/, report)
    row = String.to_integer(row)
    IO.puts("The row tells the point:\n")
    for n <- (row - 1)..(row + 1), do: IO.puts("  point #{n}: #{inspect(Enum.at(x, n))}")
  end

  defp losses(program, inputs) do
    me = self()
    keep = fn event -> send(me, {:loss, hd(event.path), Hooks.Event.value(event)}) end
    Davit.run(program, inputs, hooks: [{"loss", keep}])

    for step <- 0..99//8 do
      receive do
        {:loss, ^step, tensor} -> tensor |> Davit.Tensor.to_list() |> short()
      end
    end
  end

  # The first five firings with something in them that is no number, while `fun` runs.
  defp while_watching(fun) do
    me = self()
    started = fn -> send(me, :watching) end

    watcher =
      Task.async(fn ->
        {:probe, "*"}
        |> Hooks.stream(view: :summary, started: started)
        |> Stream.filter(fn event ->
          match?(%{nan: n, inf: i} when n + i > 0, Hooks.Event.value(event))
        end)
        |> Enum.take(5)
      end)

    receive(do: (:watching -> fun.()))
    Task.await(watcher)
  end

  # What `davit diff` says. Two ways to compute one thing differ in the last bits; that is not what is looked for.
  defp diff(files) do
    {:ok, davit, arguments} = Davit.Engine.Command.find([])
    options = ["--rtol", "1e-2", "--atol", "1e-5"]
    {report, 1} = System.cmd(davit, List.delete(arguments, "port") ++ ["diff" | files] ++ options)
    report
  end

  defp short(number) when is_float(number), do: :erlang.float_to_binary(number, decimals: 3)
  defp short(other), do: to_string(other)
end

folder =
  with [] <- System.argv() do
    folder = Path.join(System.tmp_dir!(), "davit-nan-#{System.pid()}")
    File.mkdir_p!(folder)
    [folder]
  end

Detective.run(hd(folder))
IO.puts("\nThe recordings are in #{folder}.")
