defmodule Davit.Nx.Lowering.Convolution do
  @moduledoc false
  # Convolutions. Where MLX has one it is used; what it lacks (integers, complex numbers, more than three spatial axes, some
  # groups and dilations) is a product of matrices, of all windows with all filters.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Lowering.Dot, Lowering.Pad, Lowering.Window, Mlx}

  def names, do: [:conv]

  def lower(:conv, {dtype, shape}, [input, kernel, options]) do
    input = input |> Cast.to(dtype) |> Mlx.transpose(options[:input_permutation])
    kernel = kernel |> Cast.to(dtype) |> Mlx.transpose(options[:kernel_permutation])
    {input, groups} = groups(input, options)
    permutation = options[:output_permutation]
    sizes = for axis <- permutation, do: elem(shape, axis)

    result =
      if native?(input, kernel, groups, options),
        do: native(input, kernel, groups, sizes, options),
        else: windows(input, kernel, groups, sizes, options)

    Mlx.transpose(result, inverse(permutation))
  end

  defp inverse(permutation) do
    permutation |> Enum.with_index() |> Enum.sort() |> Enum.map(&elem(&1, 1))
  end

  # Groups of a batch become groups of channels: the filters of a group see its part of the batch.
  defp groups(input, options) do
    case options[:batch_group_size] do
      1 ->
        {input, options[:feature_group_size]}

      groups ->
        [batch, channels | spatial] = Tuple.to_list(Mlx.shape(input))
        split = List.to_tuple([groups, div(batch, groups), channels | spatial])
        order = [1, 0 | Enum.to_list(2..(tuple_size(split) - 1))]
        joined = List.to_tuple([div(batch, groups), groups * channels | spatial])
        {input |> Mlx.reshape(split) |> Mlx.transpose(order) |> Mlx.reshape(joined), groups}
    end
  end

  # What MLX has on the CPU. An empty tensor has no windows.
  defp native?(%{type: {dtype, shape}}, kernel, groups, options) do
    spatial = tuple_size(shape) - 2
    plain? = Enum.all?(options[:input_dilation] ++ options[:kernel_dilation], &(&1 == 1))

    case dtype do
      dtype when dtype in [:float16, :bfloat16, :float32] -> true
      :float64 -> plain? and groups == 1
      _ -> false
    end and spatial in 1..3 and (spatial < 3 or groups == 1) and
      Davit.Type.elements(shape) > 0 and Davit.Type.elements(Mlx.shape(kernel)) > 0
  end

  # MLX has channels last.
  defp native(input, kernel, groups, [batch, channels | spatial], options) do
    rank = Mlx.rank(input)
    last = [0 | Enum.to_list(2..(rank - 1))] ++ [1]

    attributes = %{
      "stride" => options[:strides],
      "padding_lo" => for({low, _} <- options[:padding], do: low),
      "padding_hi" => for({_, high} <- options[:padding], do: high),
      "kernel_dilation" => options[:kernel_dilation],
      "input_dilation" => options[:input_dilation],
      "groups" => groups
    }

    type = {Mlx.dtype(input), List.to_tuple([batch | spatial] ++ [channels])}

    "conv_general"
    |> Expression.node([Mlx.transpose(input, last), Mlx.transpose(kernel, last)], attributes, type)
    |> Mlx.transpose([0, rank - 1 | Enum.to_list(1..(rank - 2))])
  end

  defp windows(input, kernel, groups, [batch, channels | spatial], options) do
    dtype = Mlx.dtype(input)
    [filters, inside | window] = Tuple.to_list(Mlx.shape(kernel))

    config =
      Enum.zip_with(options[:padding], options[:input_dilation], fn {low, high}, dilation ->
        {low, high, dilation - 1}
      end)

    padded = Pad.pad(input, Mlx.scalar(0, dtype), [{0, 0, 0}, {0, 0, 0} | config])
    strides = [1, 1 | options[:strides]]

    seen =
      Window.windows(padded, List.to_tuple([1, 1 | window]), strides, [
        1,
        1 | options[:kernel_dilation]
      ])

    places = Enum.product(spatial)
    elements = Enum.product(window)

    rows =
      seen
      |> Mlx.reshape({batch, groups, inside, places, elements})
      |> Mlx.transpose([1, 0, 3, 2, 4])
      |> Mlx.reshape({groups, batch * places, inside * elements})

    per_group = div(filters, groups)

    columns =
      kernel |> Mlx.reshape({groups, per_group, inside * elements}) |> Mlx.transpose([0, 2, 1])

    rows
    |> Dot.product(columns)
    |> Mlx.reshape({groups, batch, places, per_group})
    |> Mlx.transpose([1, 0, 3, 2])
    |> Mlx.reshape(List.to_tuple([batch, channels | spatial]))
  end
end
