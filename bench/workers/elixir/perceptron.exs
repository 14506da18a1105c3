defmodule Bench.Perceptron do
  # A perceptron 784-512-512-10 on batches of 64, as ../perceptron.py has it in numpy.

  import Bench.Nx, only: [start: 0]
  import Bench.Ports, only: [once: 2, timed: 2]
  import Nx.Defn

  @batches 8

  @doc "A batch, called and read: milliseconds each."
  def forward(count) do
    start()
    {x, _} = hd(batches())
    weights = weights()
    forward = once(:forward, fn -> Nx.Defn.jit(&perceptron/2) end)
    count |> timed(fn -> Nx.to_binary(forward.(x, weights)) end) |> milliseconds()
  end

  @doc "An epoch of so many steps of gradient descent, until its last loss is read: milliseconds."
  def train(steps) do
    start()
    train_step()
    1 |> timed(fn -> epoch(steps) end) |> milliseconds()
  end

  @doc "The last loss of such an epoch."
  def loss(steps) do
    start()
    [epoch(steps)]
  end

  defp epoch(steps) do
    train_step = train_step()
    batches = Stream.cycle(batches())

    {_, loss} =
      for {x, y} <- Enum.take(batches, steps), reduce: {weights(), nil} do
        {weights, _} -> train_step.(weights, x, y)
      end

    Nx.to_number(loss)
  end

  # Compiled before anything is timed.
  defp train_step do
    once(:train_step, fn ->
      [{x, y} | _] = batches()
      step = Nx.Defn.jit(&step/3)
      {_, loss} = step.(weights(), x, y)
      Nx.to_number(loss)
      step
    end)
  end

  defn step({a, b, c} = weights, x, y) do
    {loss, {da, db, dc}} = value_and_grad(weights, &cross_entropy(perceptron(x, &1), y))
    {{a - 0.1 * da, b - 0.1 * db, c - 0.1 * dc}, loss}
  end

  defn perceptron(x, {a, b, c}) do
    x |> Nx.dot(a) |> Nx.max(0) |> Nx.dot(b) |> Nx.max(0) |> Nx.dot(c)
  end

  defn cross_entropy(logits, y) do
    shifted = logits - stop_grad(Nx.reduce_max(logits, axes: [1], keep_axes: true))
    logs = shifted - Nx.log(Nx.sum(Nx.exp(shifted), axes: [1], keep_axes: true))
    -Nx.mean(Nx.sum(y * logs, axes: [1]))
  end

  defp weights do
    once(:weights, fn ->
      for {n, m} <- [{784, 512}, {512, 512}, {512, 10}] do
        numbers({n, m}, 0) |> Nx.multiply(:math.sqrt(2 / n))
      end
      |> List.to_tuple()
    end)
  end

  defp batches do
    once(:batches, fn ->
      for n <- 1..@batches do
        digits = Nx.remainder(Nx.add(Nx.iota({64, 1}), n), 10)
        {numbers({64, 784}, n), Nx.as_type(Nx.equal(digits, Nx.iota({1, 10})), :f32)}
      end
    end)
  end

  # From -1 to 1.
  defp numbers(shape, seed) do
    Nx.iota(shape, type: :s64)
    |> Nx.multiply(37)
    |> Nx.add(11 * seed)
    |> Nx.remainder(101)
    |> Nx.as_type(:f32)
    |> Nx.divide(50)
    |> Nx.subtract(1)
  end

  defp milliseconds(times), do: Enum.map(times, &(&1 / 1000))
end
