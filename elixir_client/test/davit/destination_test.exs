defmodule Davit.Hooks.DestinationTest do
  use ExUnit.Case, async: true

  alias Davit.Hooks.Destination
  alias Davit.Tensor

  test "a pid is encoded and decoded, and all pids of a node have the same length" do
    other = spawn(fn -> :ok end)
    assert %Tensor{type: {:uint8, {64}} = type, data: bytes} = Davit.Hooks.to(self())
    assert %Tensor{type: ^type, data: others} = Davit.Hooks.to(other)
    assert {Destination.decode(bytes), Destination.decode(others)} == {{:ok, self()}, {:ok, other}}
  end

  test "other bytes are refused, and create no atom" do
    pid = :erlang.term_to_binary(self())
    bomb = :erlang.term_to_binary(:binary.copy(<<0>>, 100_000), compressed: 9)
    stranger = fn name -> <<131, 88, 119, byte_size(name), name::binary, 0::96>> end

    refused = [
      "",
      <<131>>,
      <<131, 88>>,
      binary_part(pid, 0, byte_size(pid) - 1),
      pid <> <<0, 1>>,
      bomb,
      :erlang.term_to_binary(:an_atom),
      :erlang.term_to_binary([self()]),
      :erlang.term_to_binary(fn -> 1 end),
      :erlang.term_to_binary(&String.upcase/1),
      :erlang.term_to_binary(make_ref()),
      <<131, 88, 119, 255, "short", 0::96>>,
      <<131, 88, 97, 1, 0::96>>,
      :crypto.strong_rand_bytes(64),
      <<0::512>>
    ]

    refuse = fn -> for bytes <- refused, do: assert(Destination.decode(bytes) == :error) end
    refuse.()
    number = System.unique_integer([:positive])
    count = :erlang.system_info(:atom_count)

    for i <- 1..1_000 do
      assert Destination.decode(stranger.("nobody#{number}_#{i}@nowhere")) == :error
    end

    refuse.()
    # Other tests run beside this one.
    assert :erlang.system_info(:atom_count) < count + 500
    # A node that was heard of is another matter.
    assert {:ok, pid} = Destination.decode(stranger.("nonode@elsewhere" |> tap(&String.to_atom/1)))
    assert node(pid) == :nonode@elsewhere
  end

  describe "a system process" do
    defp event(pid) do
      # As a program could compute them.
      bytes = :erlang.term_to_binary(pid)
      site = %Davit.Hooks.Site{number: 0, node: 0, function: "main", kind: :hook, name: "h"}
      tensor = %Tensor{type: {:uint8, {byte_size(bytes)}}, data: bytes}
      %Davit.Hooks.Event{site: site, name: "h", values: [:value, tensor]}
    end

    @refused [:init, :application_controller, :kernel_sup, :code_server, :logger, :erl_prim_loader] ++
               [:erts_code_purger, :user, :elixir_sup, Logger, Davit.Supervisor]

    test "receives nothing, and is named in the error" do
      for name <- @refused do
        pid = Process.whereis(name)
        error = assert_raise Davit.EngineError, fn -> Destination.deliver(event(pid)) end
        assert error.code == :destination_invalid
        assert error.message =~ "a system process: #{inspect(pid)} (#{inspect(name)})"
        assert_raise ArgumentError, ~r/#{inspect(name)}/, fn -> Davit.Hooks.to(pid) end
      end
    end

    test "is distinguished from other processes" do
      supervisor = start_supervised!({DynamicSupervisor, strategy: :one_for_one})

      for pid <- [self(), spawn(fn -> receive(do: (:never -> :ok)) end), supervisor] do
        assert :ok = Destination.deliver(event(pid))
        assert %Tensor{} = Davit.Hooks.to(pid)
      end

      assert_received {:davit_hook, "h", %{values: [:value]}}
      # One that is gone is no error.
      {gone, ref} = spawn_monitor(fn -> :ok end)
      assert_receive {:DOWN, ^ref, _, _, _}
      assert :ok = Destination.deliver(event(gone))
    end
  end
end
