// The LAPACK functions that libmlx calls, each a jump to OpenBLAS; openblas.cpp has its products.
//
// MLX's Linux wheel brings netlib's reference BLAS, 30 times too slow. The addon comes before it in
// the lookup scope of everything the addon loads, so a symbol that the addon exports is the one that
// libmlx gets. scipy-openblas32 has the same functions under names with the prefix scipy_. A bare
// jump leaves arguments and results as they are, whatever the signature. The list is checked by
// test/native/blas.test.ts against what libmlx imports.

  .text

.macro forward name
  .globl \name
  .type \name, %function
  .balign 16
\name:
#if defined(__x86_64__)
  endbr64
  jmp scipy_\name@PLT
#elif defined(__aarch64__)
  hint #34  // bti c
  b scipy_\name
#else
#error "BLAS forwarding knows x86_64 and aarch64"
#endif
  .size \name, .-\name
.endm

  forward sgeev_
  forward dgeev_
  forward cgeev_
  forward sgeqrf_
  forward dgeqrf_
  forward sgesdd_
  forward dgesdd_
  forward cgesdd_
  forward sgetrf_
  forward dgetrf_
  forward sgetri_
  forward dgetri_
  forward sorgqr_
  forward dorgqr_
  forward spotrf_
  forward dpotrf_
  forward ssyevd_
  forward dsyevd_
  forward cheevd_
  forward strtri_
  forward dtrtri_

  .section .note.GNU-stack, "", %progbits
