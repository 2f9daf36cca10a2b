/* Integers modulo the order q of secp256k1, in time that does not depend on their values.

   q = 2^256 - C with C = C0 + C1*2^64 + 2^128. A scalar is four limbs of 64 bits, lowest first. Any
   integer below 2^256 stands for its class modulo q, so what a function here returns is below 2^256
   but not always below q; scalar_normalise makes it so. Products keep eight limbs and are summed in
   nine (wide_t), so that a sum of many is reduced once. To reduce is to fold, since 2^256 = C.

   No branch and no index here depends on a limb: the prover's values are secret. */

#ifndef CLAIROBSCUR_SCALAR_H
#define CLAIROBSCUR_SCALAR_H

#if !defined(__GNUC__) || !defined(__SIZEOF_INT128__)
#error "this needs GCC or Clang with a 128-bit integer type; without it everything runs in Python"
#endif

#include <stdint.h>
#include <string.h>

#define SCALAR_BYTES 32

typedef unsigned __int128 uint128;

typedef struct {
    uint64_t limb[4];
} scalar_t;

/* A sum of fewer than 2^32 products of two scalars. */
typedef struct {
    uint64_t limb[9];
} wide_t;

/* A sum of fewer than 2^20 products of a scalar and an integer below 2^64. */
typedef struct {
    uint64_t limb[6];
} middle_t;

#define C0 UINT64_C(0x402DA1732FC9BEBF)
#define C1 UINT64_C(0x4551231950B75FC4)

#define INLINE static inline __attribute__((always_inline, unused))

/* *sum = a + b + carry, and the new carry, 0 or 1. Compilers make one instruction of the first form
   and many of the second. */
#if defined(__x86_64__)
#include <immintrin.h>
typedef unsigned char carry_t;
INLINE carry_t add(carry_t carry, uint64_t a, uint64_t b, uint64_t *sum)
{
    unsigned long long s;
    carry = _addcarry_u64(carry, a, b, &s);
    *sum = s;
    return carry;
}

INLINE carry_t subtract(carry_t borrow, uint64_t a, uint64_t b, uint64_t *difference)
{
    unsigned long long s;
    borrow = _subborrow_u64(borrow, a, b, &s);
    *difference = s;
    return borrow;
}
#else
typedef uint64_t carry_t;
INLINE carry_t add(carry_t carry, uint64_t a, uint64_t b, uint64_t *sum)
{
    uint128 s = (uint128)a + b + carry;
    *sum = (uint64_t)s;
    return (carry_t)(s >> 64);
}

INLINE carry_t subtract(carry_t borrow, uint64_t a, uint64_t b, uint64_t *difference)
{
    uint128 s = (uint128)a - b - borrow;
    *difference = (uint64_t)s;
    return (carry_t)(s >> 64) & 1;
}
#endif

/* product = factor*a for `count` limbs of a, one limb more. */
INLINE void multiply_row(uint64_t *product, const uint64_t *a, int count, uint64_t factor)
{
    carry_t carry = 0;
    uint64_t above = 0;
#pragma GCC unroll 5
    for (int i = 0; i < count; i++) {
        uint128 both = (uint128)factor * a[i];
        carry = add(carry, (uint64_t)both, above, &product[i]);
        above = (uint64_t)(both >> 64);
    }
    add(carry, above, 0, &product[count]);
}

/* sum += term, `count` limbs each; the carry. */
INLINE carry_t add_row(uint64_t *sum, const uint64_t *term, int count)
{
    carry_t carry = 0;
#pragma GCC unroll 9
    for (int i = 0; i < count; i++)
        carry = add(carry, sum[i], term[i], &sum[i]);
    return carry;
}

INLINE scalar_t scalar_small(uint64_t value)
{
    scalar_t r = {{value, 0, 0, 0}};
    return r;
}

/* -- bytes ------------------------------------------------------------------------------------- */

INLINE uint64_t load_little(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

INLINE uint64_t load_big(const unsigned char *p)
{
    return __builtin_bswap64(load_little(p));
}

INLINE void store_little(unsigned char *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof v);
}

INLINE void scalar_load_little(scalar_t *r, const unsigned char *p)
{
    for (int i = 0; i < 4; i++)
        r->limb[i] = load_little(p + 8 * i);
}

INLINE void scalar_load_big(scalar_t *r, const unsigned char *p)
{
    for (int i = 0; i < 4; i++)
        r->limb[i] = load_big(p + 24 - 8 * i);
}

/* -- one scalar -------------------------------------------------------------------------------- */

/* C where the carry is 1, else 0. */
INLINE void masked_C(uint64_t term[4], carry_t carry)
{
    uint64_t mask = -(uint64_t)carry;
    term[0] = mask & C0, term[1] = mask & C1, term[2] = mask & 1, term[3] = 0;
}

/* r += top*2^256. */
INLINE void scalar_fold(scalar_t *r, uint64_t top)
{
    const uint64_t C[2] = {C0, C1};
    uint64_t term[4];
    multiply_row(term, C, 2, top);
    term[3] = add(0, term[2], top, &term[2]);
    carry_t carry = add_row(r->limb, term, 4);
    /* top*C is below 2^193: after a carry little is left, and adding C carries no more. */
    masked_C(term, carry);
    add_row(r->limb, term, 4);
}

/* a + b for b below q: a sum of 2^256 or more leaves less than q, so that adding C carries no more. */
INLINE void scalar_add(scalar_t *r, const scalar_t *a, const scalar_t *b)
{
    uint64_t sum[4] = {a->limb[0], a->limb[1], a->limb[2], a->limb[3]}, term[4];
    masked_C(term, add_row(sum, b->limb, 4));
    add_row(sum, term, 4);
    r->limb[0] = sum[0], r->limb[1] = sum[1], r->limb[2] = sum[2], r->limb[3] = sum[3];
}

/* a - b for b below q: a borrow adds 2^256 = C too much, and at least that much is there. */
INLINE void scalar_subtract(scalar_t *r, const scalar_t *a, const scalar_t *b)
{
    uint64_t left[4], term[4];
    carry_t borrow = 0;
    for (int i = 0; i < 4; i++)
        borrow = subtract(borrow, a->limb[i], b->limb[i], &left[i]);
    masked_C(term, borrow);
    borrow = 0;
    for (int i = 0; i < 4; i++)
        borrow = subtract(borrow, left[i], term[i], &r->limb[i]);
}

/* Below q: the one representative that is written, and the only one that may be the second operand
   of scalar_add and scalar_subtract. */
INLINE void scalar_normalise(scalar_t *r)
{
    uint64_t more[4] = {r->limb[0], r->limb[1], r->limb[2], r->limb[3]}, term[4];
    masked_C(term, 1);
    /* A carry: r + C >= 2^256, that is r >= q, and what is left is r - q. */
    uint64_t mask = -(uint64_t)add_row(more, term, 4);
    for (int i = 0; i < 4; i++)
        r->limb[i] ^= mask & (r->limb[i] ^ more[i]);
}

INLINE void scalar_store_little(unsigned char *p, const scalar_t *a)
{
    scalar_t r = {{a->limb[0], a->limb[1], a->limb[2], a->limb[3]}};
    scalar_normalise(&r);
    for (int i = 0; i < 4; i++)
        store_little(p + 8 * i, r.limb[i]);
}

/* -- sums of products -------------------------------------------------------------------------- */

INLINE void wide_add_product(wide_t *t, const scalar_t *a, const scalar_t *b)
{
    carry_t over = 0;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        uint64_t row[5];
        multiply_row(row, b->limb, 4, a->limb[i]);
        row[4] += over; /* of the row before; a row's highest limb is below 2^64 - 1 */
        over = add_row(t->limb + i, row, 5);
    }
    t->limb[8] += over;
}

INLINE void wide_add_scalar(wide_t *t, const scalar_t *a)
{
    carry_t carry = add_row(t->limb, a->limb, 4);
    for (int i = 4; i < 9; i++)
        carry = add(carry, t->limb[i], 0, &t->limb[i]);
}

/* sum += n*C*2^(64*0) for `count` limbs of n; sum has count + 3 limbs and room for the result. */
INLINE void add_times_C(uint64_t *sum, const uint64_t *n, int count)
{
    uint64_t row[6];
    carry_t carry;
    multiply_row(row, n, count, C0);
    carry = add_row(sum, row, count + 1);
    carry = add(carry, sum[count + 1], 0, &sum[count + 1]);
    add(carry, sum[count + 2], 0, &sum[count + 2]);
    multiply_row(row, n, count, C1);
    carry = add_row(sum + 1, row, count + 1);
    add(carry, sum[count + 2], 0, &sum[count + 2]);
    carry = add_row(sum + 2, n, count);
    add(carry, sum[count + 2], 0, &sum[count + 2]);
}

/* `count` limbs above 2^256 folded: what is left of t above them is `rest` limbs. */
INLINE void wide_reduce(scalar_t *r, const wide_t *t)
{
    /* t4..t8, below 2^288, times C: below 2^417. */
    uint64_t s[8] = {t->limb[0], t->limb[1], t->limb[2], t->limb[3], 0, 0, 0, 0};
    add_times_C(s, t->limb + 4, 5);
    /* s4..s6, below 2^161, times C: at most 35 bits stay above. */
    uint64_t u[6] = {s[0], s[1], s[2], s[3], 0, 0};
    add_times_C(u, s + 4, 3);
    r->limb[0] = u[0], r->limb[1] = u[1], r->limb[2] = u[2], r->limb[3] = u[3];
    scalar_fold(r, u[4]);
}

static __attribute__((noinline, unused)) void scalar_multiply(scalar_t *r, const scalar_t *a,
                                                              const scalar_t *b)
{
    wide_t t;
    multiply_row(t.limb, b->limb, 4, a->limb[0]);
#pragma GCC unroll 3
    for (int i = 1; i < 4; i++) {
        uint64_t row[5];
        multiply_row(row, b->limb, 4, a->limb[i]);
        add(add_row(t.limb + i, row, 4), row[4], 0, &t.limb[i + 4]);
    }
    /* As wide_reduce, with a limb less. */
    uint64_t s[7] = {t.limb[0], t.limb[1], t.limb[2], t.limb[3], 0, 0, 0};
    add_times_C(s, t.limb + 4, 4);
    uint64_t u[6] = {s[0], s[1], s[2], s[3], 0, 0};
    add_times_C(u, s + 4, 3);
    r->limb[0] = u[0], r->limb[1] = u[1], r->limb[2] = u[2], r->limb[3] = u[3];
    scalar_fold(r, u[4]);
}

INLINE void middle_add_product(middle_t *t, const scalar_t *a, uint64_t factor)
{
    uint64_t row[5];
    multiply_row(row, a->limb, 4, factor);
    t->limb[5] += add_row(t->limb, row, 5);
}

INLINE void middle_reduce(scalar_t *r, const middle_t *t)
{
    uint64_t u[5] = {t->limb[0], t->limb[1], t->limb[2], t->limb[3], 0};
    add_times_C(u, t->limb + 4, 2);
    r->limb[0] = u[0], r->limb[1] = u[1], r->limb[2] = u[2], r->limb[3] = u[3];
    scalar_fold(r, u[4]);
}

#endif
