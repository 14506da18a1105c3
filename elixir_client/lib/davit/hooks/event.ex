defmodule Davit.Hooks.Event do
  @moduledoc """
  An event: the values of a hook at one moment of a run.

    * `site`: the `Davit.Hooks.Site` that fired; `name` and `label` are those of the site;
    * `values`: one item per operand: a `Davit.Tensor` with its values; `{:omitted, bytes}` for one that is longer
      than a message may be, 32 MiB (take a slice or a summary of it); for the view `summary` a map with
      `:count`, `:min`, `:max`, `:mean`, `:std`, `:nan`, `:inf` and `:histogram`;
    * `seq`: how many times hooks of the run fired before; `path`: the iterations of the loops around the hook,
      the outermost first; `dropped`: how many events the policy dropped since the previous one;
    * `run`: the run's request number, 0 for a run of another session.
  """

  alias Davit.{Frame, Tensor}
  alias Davit.Hooks.Site

  defstruct [:site, :name, :label, :run, :seq, :path, :dropped, :values]

  @type summary :: %{
          count: non_neg_integer,
          min: number | atom,
          max: number | atom,
          mean: number | atom,
          std: number | atom,
          nan: non_neg_integer,
          inf: non_neg_integer,
          histogram: [non_neg_integer]
        }
  @type value :: Tensor.t() | summary | {:omitted, pos_integer}
  @type t :: %__MODULE__{
          site: Site.t(),
          name: String.t() | nil,
          label: String.t() | nil,
          run: non_neg_integer,
          seq: non_neg_integer,
          path: [non_neg_integer],
          dropped: non_neg_integer,
          values: [value]
        }

  @copied 4096
  @summary ~w(count min max mean std nan inf histogram)a

  @doc false
  # Decodes the events of one message. Returns each with its subscription's number. `views` has the slices of subscriptions,
  # as the protocol writes them, by these numbers.
  @spec decode(list, Frame.attachments(), %{non_neg_integer => Site.t()}, map) :: [{integer, t}]
  def decode(events, attachments, sites, views) do
    Enum.map(events, fn [number, subscription, run, seq, path, dropped, values] ->
      site = Map.get(sites, number) || %Site{number: number, kind: :node}

      event = %__MODULE__{
        site: site,
        name: site.name,
        label: site.label,
        run: run,
        seq: seq,
        path: path,
        dropped: dropped,
        values: values(values, site.types, attachments, views[subscription])
      }

      {subscription, event}
    end)
  end

  defp values([], _types, _attachments, _view), do: []

  defp values([value | values], types, attachments, view) do
    {type, types} = next(types, nil)
    [value(value, type, attachments, view) | values(values, types, attachments, view)]
  end

  # A small value is copied, so that it does not keep the frame of its batch in memory.
  defp value({:bin, bytes}, type, _, view) when byte_size(bytes) <= @copied,
    do: tensor(:binary.copy(bytes), type, view)

  defp value({:bin, bytes}, type, _, view), do: tensor(bytes, type, view)

  defp value(["attachment", index], type, attachments, view),
    do: tensor(elem(attachments, index), type, view)

  # The value is longer than a frame may be, so only its size was sent.
  defp value(["omitted", size], _type, _, _), do: {:omitted, size}

  defp value(%{} = summary, _type, _, _),
    do: Map.new(@summary, &{&1, summary[Atom.to_string(&1)]})

  defp tensor(bytes, nil, _view), do: %Tensor{type: {:uint8, {byte_size(bytes)}}, data: bytes}
  defp tensor(bytes, type, nil), do: %Tensor{type: type, data: bytes}

  # A slice is clipped to the shape of the tensor.
  defp tensor(bytes, {dtype, shape}, ["slice", starts, sizes]) do
    %Tensor{
      type: {dtype, shape |> Tuple.to_list() |> cut(starts, sizes) |> List.to_tuple()},
      data: bytes
    }
  end

  defp cut([], _, _), do: []
  defp cut(extents, [], []), do: extents

  defp cut([extent | extents], starts, sizes) do
    {start, starts} = next(starts, 0)
    {size, sizes} = next(sizes, extent)
    start = start |> max(0) |> min(extent)
    [size |> max(0) |> min(extent - start) | cut(extents, starts, sizes)]
  end

  defp next([], default), do: {default, []}
  defp next([first | rest], _), do: {first, rest}

  @doc "The values of a hook that has one operand, as a nested list; a number for a scalar. See `value/1`."
  @spec to_list(t) :: Tensor.nested()
  def to_list(%__MODULE__{site: site} = event) do
    case value(event) do
      %Tensor{} = tensor ->
        Tensor.to_list(tensor)

      other ->
        raise ArgumentError,
              "expected the event of #{Site.title(site)} to have a tensor, got #{Davit.Show.show(other)}"
    end
  end

  @doc "The value of a hook that has one operand."
  @spec value(t) :: value
  def value(%__MODULE__{values: [value]}), do: value

  def value(%__MODULE__{values: values} = event) do
    raise ArgumentError, "#{Site.title(event.site)} has #{length(values)} values, not one"
  end

  defimpl Inspect do
    import Inspect.Algebra

    # The site has much that is the same in every event.
    def inspect(event, options) do
      fields = for key <- [:name, :label, :path, :seq, :run, :dropped, :values], do: {key, event}
      # A path is a list of numbers, whatever characters they are the codes of.
      options = %{options | charlists: :as_lists}
      container_doc("#Davit.Hooks.Event<", fields, ">", options, &field/2)
    end

    defp field({key, event}, options),
      do: concat("#{key}: ", to_doc(Map.fetch!(event, key), options))
  end
end
