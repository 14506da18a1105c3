defmodule Davit.Run.Handlers do
  @moduledoc false
  # The functions of one run: those that the caller gave, and those of the program.

  alias Davit.{EngineError, Options, Tensor, Type}
  alias Davit.Hooks.{Destination, Event, Site, SubscriptionSpec}

  # The default of `inspect/2`.
  @print_limit 50

  @enforce_keys [:specs, :functions, :slices, :callbacks]
  defstruct [:specs, :functions, :slices, :callbacks]

  @type t :: %__MODULE__{
          specs: [list],
          functions: tuple,
          slices: map,
          callbacks: [{term, (Event.t() -> term)}]
        }

  @doc """
  Reads the options `:hooks` and `:callbacks`, and adds the functions of the program itself, except where an option is for
  the same id. Raises `ArgumentError`.
  """
  @spec new(keyword, [Davit.Graph.CustomCall.handler()]) :: t
  def new(options, bound) do
    hooks = options |> list(:hooks) |> Enum.map(&hook/1)
    hooks = hooks ++ bound_hooks(bound, hooks)
    specs = Enum.map(hooks, &elem(&1, 0))

    %__MODULE__{
      specs: specs,
      functions: hooks |> Enum.map(&elem(&1, 1)) |> List.to_tuple(),
      slices: SubscriptionSpec.slices(specs),
      callbacks: Enum.map(list(options, :callbacks), &handler/1) ++ bound_callbacks(bound)
    }
  end

  defp list(options, key),
    do: Options.get!(options, key, [], "a list of {match, function of an event}", &is_list/1)

  defp bound_hooks([], _hooks), do: []

  defp bound_hooks(bound, hooks) do
    given = for {[["id", {:bin, id}] | _], _} <- hooks, do: id

    for {:hook, id, function} <- Enum.uniq(bound), id not in given do
      {SubscriptionSpec.to_wire({:id, id}, []), function}
    end
  end

  # The first function that matches is called.
  defp bound_callbacks(bound),
    do: for({:callback, id, function} <- bound, do: {{:id, id}, function})

  defp hook({match, function}), do: hook({match, function, []})

  defp hook({match, function, options}) when is_function(function, 1) and is_list(options) do
    Options.check!(options, [:policy, :view])
    {SubscriptionSpec.to_wire(match, options), function}
  end

  defp hook(other) do
    raise ArgumentError,
          "expected {match, function of an event} or {match, function, options} in :hooks, " <>
            "got #{inspect(other)}"
  end

  defp handler({:all, function}) when is_function(function, 1), do: {:all, function}

  # Names and ids as hooks have them; callbacks are not found by their labels.
  defp handler({match, function}) when is_function(function, 1) do
    case SubscriptionSpec.to_wire(match, []) do
      [["name", name] | _] ->
        {{:name, name}, function}

      [["id", {:bin, id}] | _] ->
        {{:id, id}, function}

      _ ->
        raise ArgumentError,
              "expected a name, {:name, name}, {:id, 16 bytes}, :all or &Mod.fun/arity as a match in " <>
                ":callbacks, got #{inspect(match)}"
    end
  end

  defp handler(other) do
    raise ArgumentError,
          "expected {match, function of an event} in :callbacks, got #{inspect(other)}"
  end

  @doc "Handles an event for the handler with this number; -1 is a print, -2 a hook with a destination."
  @spec event(t, integer, Event.t()) :: any
  def event(_handlers, -1, event), do: print(event)
  def event(_handlers, -2, event), do: Destination.deliver(event)
  def event(handlers, index, event), do: elem(handlers.functions, index).(event)

  # Prints to the caller's group leader: in a notebook, the cell that runs.
  defp print(%Event{site: site, path: path, values: values}) do
    where = if path == [], do: "", else: " at #{inspect(path, charlists: :as_lists)}"

    options = [
      pretty: true,
      limit: site.print[:limit] || @print_limit,
      custom_options: [precision: site.print[:precision]]
    ]

    IO.puts("#{Site.title(site)}#{where}: #{Enum.map_join(values, ", ", &inspect(&1, options))}")
  end

  @doc "Returns the event that the handler of a callback gets."
  @spec call_event(Site.t(), pos_integer, non_neg_integer, list, tuple) :: Event.t()
  def call_event(site, request, seq, path, attachments) do
    values =
      for {type, bytes} <- Enum.zip(site.operands, Tuple.to_list(attachments)),
          do: %Tensor{type: type, data: bytes}

    %Event{
      site: site,
      name: site.name,
      label: site.label,
      run: request,
      seq: seq,
      path: path,
      dropped: 0,
      values: values
    }
  end

  @doc """
  Calls the handler of a callback, and returns its values, as many as `types`: none where the callback has no results,
  whatever the handler returned. Raises what the handler raises, and an error that names both sides where it returned
  something else.
  """
  @spec call(t, Event.t(), [Type.t()]) :: list
  def call(handlers, event, types) do
    case Enum.find(handlers.callbacks, fn {match, _} -> matches?(match, event.site) end) do
      {_, function} ->
        function.(event) |> values(types) |> check(types, event)

      nil ->
        raise %EngineError{
          code: :handler_missing,
          message: no_handler(event.site),
          label: event.label
        }
    end
  end

  defp matches?(:all, _), do: true
  defp matches?({:id, id}, site), do: id == site.id
  defp matches?({:name, name}, site), do: name == site.name

  defp no_handler(site),
    do: "the callback #{Site.title(site)} has no handler among this run's :callbacks"

  # A callback without results is made for its side effect.
  defp values(_, []), do: []
  defp values(value, [_]) when not is_tuple(value), do: [value]
  defp values({re, im}, [{:complex64, _}]) when is_number(re) and is_number(im), do: [{re, im}]
  defp values(values, _) when is_tuple(values), do: Tuple.to_list(values)
  defp values(value, _), do: [value]

  defp check(values, types, event) do
    same = length(values) == length(types) and Enum.all?(Enum.zip(values, types), &same?/1)

    if not same do
      raise ArgumentError,
            "the handler of #{Site.title(event.site)} has to return " <>
              "#{Enum.map_join(types, ", ", &Type.format/1)}, it returned " <>
              Enum.map_join(values, ", ", &describe/1)
    end

    values
  end

  defp same?({%Tensor{type: type}, expected}), do: type == expected
  defp same?(_), do: true

  defp describe(%Tensor{type: type}), do: Type.format(type)
  defp describe(other), do: Davit.Show.show(other)
end
