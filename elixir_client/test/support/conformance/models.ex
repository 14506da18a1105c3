if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Models do
    @moduledoc false
    # Parts of models, as libraries write them.

    import Davit.Conformance.Case, only: [new: 4]
    import Nx.Defn

    def cases do
      weights = {values({6, 8}, 1), values({8}, 2), values({8, 3}, 3), values({3}, 4)}
      batch = values({4, 6}, 5)
      one_hot = Nx.equal(Nx.tensor([[0], [2], [1], [0]]), Nx.iota({1, 3})) |> Nx.as_type(:f32)

      [
        new("perceptron", &perceptron/2, [batch, weights], tolerance: 8),
        new("training step", &training_step/3, [batch, one_hot, weights], tolerance: 40),
        new("layer norm", &layer_norm/3, [batch, values({6}, 6), values({6}, 7)], tolerance: 20),
        new("attention", &attention/3, for(seed <- 8..10, do: values({2, 2, 5, 4}, seed)),
          tolerance: 20
        ),
        new("lstm", &lstm/3, [values({5, 2, 3}, 11), values({3, 16}, 12), values({4, 16}, 13)],
          tolerance: 20
        ),
        new(
          "convolutional network",
          &convolutional/3,
          [
            values({2, 1, 8, 8}, 14),
            values({4, 1, 3, 3}, 15),
            values({36, 2}, 16)
          ],
          tolerance: 20
        )
      ]
    end

    # Between -1 and 1, without a library's random numbers.
    defp values(shape, seed) do
      shape
      |> Nx.iota(type: :s32)
      |> Nx.multiply(37)
      |> Nx.add(11 * seed)
      |> Nx.remainder(101)
      |> Nx.divide(50.5)
      |> Nx.subtract(1)
    end

    defn perceptron(x, {a, b, c, d}) do
      logits = x |> Nx.dot(a) |> Nx.add(b) |> Nx.max(0) |> Nx.dot(c) |> Nx.add(d)
      softmax(logits)
    end

    defn softmax(x) do
      e = Nx.exp(x - Nx.reduce_max(x, axes: [-1], keep_axes: true))
      e / Nx.sum(e, axes: [-1], keep_axes: true)
    end

    defn training_step(x, y, weights) do
      {loss, {a, b, c, d}} =
        value_and_grad(weights, fn weights ->
          -Nx.mean(Nx.sum(y * Nx.log(perceptron(x, weights)), axes: [-1]))
        end)

      {wa, wb, wc, wd} = weights
      {loss, {wa - 0.1 * a, wb - 0.1 * b, wc - 0.1 * c, wd - 0.1 * d}}
    end

    defn layer_norm(x, scale, bias) do
      mean = Nx.mean(x, axes: [-1], keep_axes: true)
      centred = x - mean
      variance = Nx.mean(centred * centred, axes: [-1], keep_axes: true)
      centred * Nx.rsqrt(variance + 1.0e-5) * scale + bias
    end

    defn attention(q, k, v) do
      scores = Nx.dot(q, [3], [0, 1], k, [3], [0, 1]) / Nx.sqrt(4)
      causal = Nx.iota({5, 1}) >= Nx.iota({1, 5})
      scores = Nx.select(Nx.broadcast(causal, {2, 2, 5, 5}), scores, -1.0e9)
      Nx.dot(softmax(scores), [3], [0, 1], v, [2], [0, 1])
    end

    defn lstm(sequence, w, u) do
      {_, h, c, _, _, _} =
        while {i = 0, h = Nx.broadcast(0.0, {2, 4}), c = Nx.broadcast(0.0, {2, 4}), sequence, w, u},
              i < 5 do
          gates = Nx.dot(sequence[i], w) + Nx.dot(h, u)
          input = Nx.sigmoid(gates[[.., 0..3]])
          forget = Nx.sigmoid(gates[[.., 4..7]])
          output = Nx.sigmoid(gates[[.., 8..11]])
          c = forget * c + input * Nx.tanh(gates[[.., 12..15]])
          {i + 1, output * Nx.tanh(c), c, sequence, w, u}
        end

      {h, c}
    end

    defn convolutional(images, kernel, weights) do
      images
      |> Nx.conv(kernel)
      |> Nx.max(0)
      |> Nx.window_max({1, 1, 2, 2}, strides: [1, 1, 2, 2])
      |> Nx.reshape({2, 36})
      |> Nx.dot(weights)
      |> softmax()
    end
  end
end
