// Written by "python3 scripts/kernel-coefficients.py". Do not edit.
#pragma once

namespace davit::kernels::coefficients {

// exp(r) = 1 + r + r^2 Q(r) for |r| <= log(2)/2; the error is that of expm1, as a part of it.
// Greatest error of the polynomial: 1.4e-08.
constexpr float kExp[] = {
    0x1.fffffe0000000p-2f, 0x1.5554a80000000p-3f,  0x1.5557960000000p-5f,
    0x1.122e280000000p-7f, 0x1.6ac0500000000p-10f,
};

// log1p(f) = f - f^2/2 + f^3 L(f) for sqrt(1/2) <= 1 + f < sqrt(2). Greatest error of the
// polynomial: 7.4e-09.
constexpr float kLog[] = {
    0x1.5555540000000p-2f, -0x1.0002280000000p-2f, 0x1.99a0360000000p-3f, -0x1.5472060000000p-3f,
    0x1.22d58c0000000p-3f, -0x1.0d85540000000p-3f, 0x1.0571900000000p-3f, -0x1.38c7500000000p-4f,
};

// erf(x) = x + x E(x^2) for |x| <= 1. Greatest error of the polynomial: 1.4e-09.
constexpr float kErf[] = {
    0x1.06eba80000000p-3f, -0x1.81273e0000000p-2f,  0x1.ce2ce60000000p-4f,  -0x1.b7f71a0000000p-6f,
    0x1.53f2240000000p-8f, -0x1.a3515e0000000p-11f, 0x1.4771fe0000000p-14f,
};

// -log(erfc(x)) = G(x - 2) for 0.93 <= x <= 4. Greatest error of the polynomial: 2.7e-08.
constexpr float kErfc[] = {
    0x1.575b320000000p+2f,   0x1.1ac3160000000p+2f,  0x1.d8f4fc0000000p-1f,
    0x1.0df51a0000000p-6f,   -0x1.d103840000000p-9f, 0x1.79c2d00000000p-11f,
    -0x1.494a240000000p-13f, 0x1.cb6f220000000p-16f, 0x1.366c1a0000000p-18f,
    -0x1.3b43a80000000p-19f,
};

// tanh(x) = x + x^3 T(x^2) for |x| <= 0.625. Greatest error of the polynomial: 4.5e-09.
constexpr float kTanh[] = {
    -0x1.5555320000000p-2f, 0x1.1106f60000000p-3f,  -0x1.b835a40000000p-5f,
    0x1.51f8ce0000000p-6f,  -0x1.750ce20000000p-8f,
};

// sin(x) = x + x^3 S(x^2) for |x| <= pi/4. Greatest error of the polynomial: 4e-09.
constexpr float kSin[] = {
    -0x1.5555460000000p-3f,
    0x1.1107780000000p-7f,
    -0x1.9953fc0000000p-13f,
};

// cos(x) = 1 - x^2/2 + x^4 C(x^2) for |x| <= pi/4. Greatest error of the polynomial: 1.2e-10.
constexpr float kCos[] = {
    0x1.55554a0000000p-5f,
    -0x1.6c0c280000000p-10f,
    0x1.99e80c0000000p-16f,
};

}  // namespace davit::kernels::coefficients
