defmodule Bench.Nx.Transformer do
  # A transformer as Nx expresses it, for the time that it takes until it can run.

  import Nx.Defn

  @tokens 16
  @width 64
  @heads 4

  @doc "Traces a function of so many layers, as every compiler has to: milliseconds."
  def trace(layers) do
    {x, weights} = arguments(layers)
    milliseconds(fn -> Nx.Defn.debug_expr(fresh()).(x, weights) end)
  end

  @doc "Traces, lowers and loads one: milliseconds."
  def compile(layers) do
    {x, weights} = arguments(layers)
    milliseconds(fn -> Nx.Defn.compile(fresh(), [x, weights]) end)
  end

  @doc "An input and weights for so many layers, in the engine."
  def values(layers) do
    put = &Nx.backend_transfer(Nx.broadcast(Nx.tensor(0.01, backend: Nx.BinaryBackend), &1), Davit.Backend)
    {x, weights} = arguments(layers)
    [put.(x), Nx.Defn.Composite.traverse(weights, put)]
  end

  @doc "One with a hook in each layer: `layer.1`, `layer.2`."
  deftransform hooked(x, layers) do
    for {weights, number} <- layers |> Tuple.to_list() |> Enum.with_index(1), reduce: x do
      x -> Bench.Nx.watch(layer(x, weights), :"layer.#{number}")
    end
  end

  defp milliseconds(fun) do
    Bench.Nx.start()
    [time] = Bench.Ports.timed(1, fun)
    [time / 1000]
  end

  # A function that no cache has: it captures another number.
  defp fresh do
    scale = System.unique_integer([:positive])
    fn x, layers -> transformer(x, layers, scale: scale) end
  end

  defp arguments(layers) do
    matrix = Nx.template({@width, @width}, :f32)
    vector = Nx.template({@width}, :f32)
    wide = Nx.template({@width, 4 * @width}, :f32)
    tall = Nx.template({4 * @width, @width}, :f32)
    norm = {vector, vector}
    layer = {norm, {matrix, matrix, matrix, matrix}, norm, {wide, Nx.template({4 * @width}, :f32), tall, vector}}
    {Nx.template({@tokens, @width}, :f32), layer |> List.duplicate(layers) |> List.to_tuple()}
  end

  deftransform transformer(x, layers, options) do
    x = Nx.divide(x, options[:scale])
    layers |> Tuple.to_list() |> Enum.reduce(x, &layer(&2, &1))
  end

  defnp layer(x, {norm, attention, other_norm, mlp}) do
    x = x + attention(norm(x, norm), attention)
    x + mlp(norm(x, other_norm), mlp)
  end

  defnp norm(x, {scale, shift}) do
    mean = Nx.mean(x, axes: [-1], keep_axes: true)
    variance = Nx.variance(x, axes: [-1], keep_axes: true)
    (x - mean) * Nx.rsqrt(variance + 1.0e-5) * scale + shift
  end

  defnp attention(x, {q, k, v, out}) do
    scores = Nx.dot(heads(Nx.dot(x, q)), [2], [0], heads(Nx.dot(x, k)), [2], [0]) / 4
    Nx.dot(softmax(scores), [2], [0], heads(Nx.dot(x, v)), [1], [0])
    |> Nx.transpose(axes: [1, 0, 2])
    |> Nx.reshape({@tokens, @width})
    |> Nx.dot(out)
  end

  defnp heads(x) do
    x |> Nx.reshape({@tokens, @heads, div(@width, @heads)}) |> Nx.transpose(axes: [1, 0, 2])
  end

  defnp softmax(x) do
    e = Nx.exp(x - Nx.reduce_max(x, axes: [-1], keep_axes: true))
    e / Nx.sum(e, axes: [-1], keep_axes: true)
  end

  defnp mlp(x, {up, bias, down, other_bias}) do
    hidden = Nx.dot(x, up) + bias
    Nx.dot(0.5 * hidden * (1 + Nx.erf(hidden / 1.4142135)), down) + other_bias
  end
end
