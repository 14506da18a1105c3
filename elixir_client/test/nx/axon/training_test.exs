if Code.ensure_loaded?(Axon) do
  defmodule Davit.Nx.Axon.TrainingTest do
    use ExUnit.Case, async: true
    import Davit.Test.Training

    @moduletag :engine
    @moduletag timeout: :infinity

    # Points inside a circle and outside of it.
    defp points(key) do
      {points, _} = Nx.Random.uniform(key, -1.0, 1.0, shape: {32, 2})
      inside = points |> Nx.pow(2) |> Nx.sum(axes: [1], keep_axes: true) |> Nx.less(0.5)
      {points, Nx.as_type(inside, :f32)}
    end

    # Images with a bright row, or a bright column.
    defp stripes(key) do
      {noise, key} = Nx.Random.uniform(key, 0.0, 0.5, shape: {16, 8, 8, 1})
      {place, key} = Nx.Random.randint(key, 0, 8, shape: {16, 1, 1, 1})
      {kind, _} = Nx.Random.randint(key, 0, 2, shape: {16, 1})
      row = Nx.equal(Nx.iota({16, 8, 8, 1}, axis: 1), place)
      column = Nx.equal(Nx.iota({16, 8, 8, 1}, axis: 2), place)
      row? = kind |> Nx.equal(0) |> Nx.reshape({16, 1, 1, 1}) |> Nx.broadcast({16, 8, 8, 1})

      {Nx.add(noise, Nx.select(row?, row, column)),
       kind |> Nx.equal(Nx.tensor([0, 1])) |> Nx.as_type(:f32)}
    end

    # Sequences, and the mean of their second half.
    defp sequences(key) do
      {sequence, _} = Nx.Random.normal(key, shape: {16, 6, 3})
      {sequence, Nx.mean(sequence[[.., 3..5]], axes: [1, 2]) |> Nx.new_axis(1)}
    end

    test "a perceptron learns, step for step as with the evaluator" do
      Axon.input("x", shape: {nil, 2})
      |> Axon.dense(16, activation: :tanh)
      |> Axon.dense(16, activation: :relu)
      |> Axon.dense(1, activation: :sigmoid)
      |> assert_same(
        :binary_cross_entropy,
        Polaris.Optimizers.adam(learning_rate: 0.05),
        batches(6, 1, &points/1),
        epochs: 12,
        falls_to: 0.5
      )
    end

    test "dropout draws the same as with the evaluator" do
      Axon.input("x", shape: {nil, 2})
      |> Axon.dense(16, activation: :relu)
      |> Axon.dropout(rate: 0.25, seed: 7)
      |> Axon.dense(1, activation: :sigmoid)
      |> assert_same(
        :binary_cross_entropy,
        Polaris.Optimizers.sgd(learning_rate: 0.5),
        batches(6, 2, &points/1),
        epochs: 6,
        falls_to: 0.95
      )
    end

    test "a convolutional network learns, with batch normalization and pooling" do
      Axon.input("image", shape: {nil, 8, 8, 1})
      |> Axon.conv(4, kernel_size: 3, padding: :same)
      |> Axon.batch_norm()
      |> Axon.relu()
      |> Axon.max_pool(kernel_size: 2)
      |> Axon.conv(8, kernel_size: 3, activation: :relu)
      |> Axon.avg_pool(kernel_size: 2)
      |> Axon.flatten()
      |> Axon.dense(2, activation: :softmax)
      |> assert_same(
        :categorical_cross_entropy,
        Polaris.Optimizers.adamw(learning_rate: 0.02),
        batches(3, 3, &stripes/1),
        epochs: 5,
        falls_to: 0.7
      )
    end

    test "an LSTM learns" do
      {output, _state} =
        Axon.input("sequence", shape: {nil, 6, 3})
        |> Axon.lstm(8, seed: 11)

      output
      |> Axon.nx(& &1[[.., -1]])
      |> Axon.dense(1)
      |> assert_same(
        :mean_squared_error,
        Polaris.Optimizers.rmsprop(learning_rate: 0.02),
        batches(4, 4, &sequences/1),
        epochs: 5,
        falls_to: 0.7
      )
    end

    test "all steps of a training use one program" do
      model = Axon.input("x", shape: {nil, 2}) |> Axon.dense(4) |> Axon.dense(1)
      batches = batches(10, 5, &points/1)
      optimizer = Polaris.Optimizers.sgd(learning_rate: 0.1)
      parent = self()

      handler = fn _, _, %{reason: reason}, _ ->
        if self() == parent, do: send(parent, {:traced, reason})
      end

      :telemetry.attach("training", [:davit, :compile, :stop], handler, nil)
      train(model, :mean_squared_error, optimizer, batches, [epochs: 3], compiler: Davit)
      :telemetry.detach("training")
      # The start of the training, its step, and the prediction; 30 steps were made.
      assert length(traced()) <= 4
    end

    defp traced do
      receive do
        {:traced, reason} -> [reason | traced()]
      after
        0 -> []
      end
    end
  end
end
