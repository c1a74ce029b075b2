%% What the modules of the further workloads share.
now_ns() -> erlang:monotonic_time(nanosecond).

%% default count * scale, at least one
n(Default, Scale) -> max(1, round(Default * Scale)).

per_second(Count, T0) -> Count * 1.0e9 / (now_ns() - T0).

%% The sum of N integers sent to this process.
sum(0, Sum) -> Sum;
sum(N, Sum) -> receive I when is_integer(I) -> sum(N - 1, Sum + I) end.

%% Park and Miller's generator: its numbers are small integers. The xorshift of the other peers would be bignums here.
next(Seed) -> Seed * 48271 rem 2147483647.

spin(Seed, 0) -> Seed;
spin(Seed, Steps) -> spin(next(Seed), Steps - 1).
