defmodule Davit.Nx.ProgramsTest do
  use ExUnit.Case, async: false

  alias Davit.Nx.Programs

  defp make(key, test), do: fn -> send(test, {:made, key}) && :host end

  test "a program is made once, and found again" do
    for _ <- 1..3, do: assert(Programs.fetch({__MODULE__, :once}, make(:once, self())) == :host)
    assert_received {:made, :once}
    refute_received {:made, :once}
  end

  test "the number of programs is bounded; what is used stays" do
    kept = {__MODULE__, :kept}

    for n <- 1..9000 do
      Programs.fetch({__MODULE__, n}, fn -> :host end)
      if rem(n, 1000) == 0, do: Programs.fetch(kept, make(:kept, self()))
    end

    assert :ets.info(Programs, :size) <= 2 * 2048 + 1
    assert_received {:made, :kept}
    refute_received {:made, :kept}
    # One that was not used for long is made again.
    Programs.fetch({__MODULE__, 1}, make(:again, self()))
    assert_received {:made, :again}
  end
end
