# A small convolutional network learns to tell rows from columns, on images that are drawn here. Axon describes and trains it, Davit
# computes. A hook of the model says how many outputs of its first layer are above 0.
#
#     elixir examples/axon/train.exs
#
# It takes Elixir 1.17 or newer with Hex, and a checkout that was set up (npm run setup).

Mix.install(
  [
    {:davit, path: Path.expand("../../elixir_client", __DIR__)},
    {:nx, "~> 0.12"},
    {:axon, "~> 0.8"},
    {:polaris, "~> 0.1"}
  ],
  config: [nx: [default_backend: Davit.Backend, default_defn_options: [compiler: Davit]]]
)

defmodule Stripes do
  import Nx.Defn

  @size 12

  @doc "So many batches of 64 images, always the same for a seed."
  def batches(count, seed) do
    keys = seed |> Nx.Random.key() |> Nx.Random.split(parts: count)
    for n <- 0..(count - 1), do: batch(keys[n])
  end

  # Each image has noise and one bright row or column. The other tensor says which of both.
  defn batch(key) do
    {noise, key} = Nx.Random.uniform(key, 0.0, 0.8, shape: {64, @size, @size, 1})
    {place, key} = Nx.Random.randint(key, 0, @size, shape: {64, 1, 1, 1})
    {kind, _} = Nx.Random.randint(key, 0, 2, shape: {64, 1})
    row = Nx.iota({64, @size, @size, 1}, axis: 1) == place
    column = Nx.iota({64, @size, @size, 1}, axis: 2) == place
    column? = Nx.reshape(kind, {64, 1, 1, 1})
    {noise + row * (1 - column?) + column * column?, kind == Nx.tensor([0, 1])}
  end
end

# Hooks run in the process that trains.
count = fn output ->
  Process.put(:above_zero, output |> Nx.greater(0) |> Nx.mean() |> Nx.to_number())
end

model =
  Axon.input("image", shape: {nil, 12, 12, 1})
  |> Axon.conv(8, kernel_size: 3, activation: :relu)
  |> Axon.attach_hook(count, mode: :train)
  |> Axon.max_pool(kernel_size: 2)
  |> Axon.flatten()
  |> Axon.dense(16, activation: :relu)
  |> Axon.dense(2, activation: :softmax)

report = fn state ->
  loss = state.metrics["loss"] |> Nx.to_number() |> Float.round(4)
  above = round(100 * Process.get(:above_zero))
  IO.puts("epoch #{state.epoch}: loss #{loss}; #{above} % of the first layer's outputs are above 0")
  {:continue, state}
end

trained =
  model
  |> Axon.Loop.trainer(:categorical_cross_entropy, :adam, log: 0, seed: 1)
  |> Axon.Loop.handle_event(:epoch_completed, report)
  |> Axon.Loop.run(Stripes.batches(30, 1), Axon.ModelState.empty(), epochs: 4)

%{0 => %{"accuracy" => accuracy}} =
  model
  |> Axon.Loop.evaluator()
  |> Axon.Loop.metric(:accuracy)
  |> Axon.Loop.run(Stripes.batches(5, 2), trained)

IO.puts("\n#{round(100 * Nx.to_number(accuracy))} % of other images are told right")
