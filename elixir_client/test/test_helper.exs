# The real engine is tested where it was built, in test/real_engine; everything else runs against a fake one.
exclude =
  case Davit.Engine.Command.find([]) do
    {:ok, _, _} ->
      []

    {:error, error} ->
      IO.puts("Tests of the real engine are left out: #{error.message}")
      [:engine]
  end

Logger.configure(level: :warning)
# Engines that die say so in the log, which is shown for tests that fail.
ExUnit.start(exclude: exclude, assert_receive_timeout: 5_000, capture_log: true)
