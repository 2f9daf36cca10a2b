/* Sums of multiples of points of secp256k1, for verifiers.

   VARIABLE TIME, FOR PUBLIC NUMBERS ONLY: branches, addresses and lengths depend on scalars and points.
   A verifier's are public. Nothing secret may come here; zk/backends/native.py keeps to that.

   A point is 64 bytes, x and y of four little-endian 64-bit words each, below p: the form of
   libsecp256k1's secp256k1_pubkey on such machines, which is checked when the backend is loaded. The
   identity is the empty byte string. A scalar is 32 bytes, little-endian, below the group order q.

   Methods: Strauss with the curve's endomorphism for few points (Gallant, Lambert, Vanstone, CRYPTO
   2001; Solinas' non-adjacent forms), buckets for many (Pippenger; Bernstein et al., ePrint 2012/549,
   section 4) with affine additions that share inversions (Montgomery's trick). A fixed point comes with
   its multiples by 2^(8j), so that digits of every place meet in the same buckets.
*/
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "field_p.h"

typedef struct {
    fe x, y;
} affine;

typedef struct {
    fe x, y, z;
    int is_identity;
} jacobian;

#define POINT_BYTES 64
#define SCALAR_BYTES 32
#define FIXED_WIDTH 8
#define FIXED_MULTIPLES 33 /* digits of 8 bits and a carry */
#define FIXED_BUCKETS 128
#define HALF_BITS 129
#define NAF_WIDTH 5
#define NAF_TABLE 8 /* P, 3P, ... 15P */
#define MAX_TERMS (1 << 24)
#ifndef WIDTH_6_FROM
#define WIDTH_6_FROM 100
#endif

/* -- points ------------------------------------------------------------------------------------ */

static void affine_load(affine *r, const unsigned char *in) {
    fe_load(&r->x, in);
    fe_load(&r->y, in + 32);
}

static void affine_store(unsigned char *out, const affine *a) {
    fe_store(out, &a->x);
    fe_store(out + 32, &a->y);
}

static void jacobian_of(jacobian *r, const affine *a) {
    r->x = a->x;
    r->y = a->y;
    r->z = FE_ONE;
    r->is_identity = 0;
}

/* dbl-2009-l of the Explicit-Formulas Database, a = 0. No point of secp256k1 has order 2. */
static void jacobian_double(jacobian *r, const jacobian *p) {
    if (p->is_identity) {
        r->is_identity = 1;
        return;
    }
    fe a, b, c, d, e, f, t;
    fe_sqr(&a, &p->x);
    fe_sqr(&b, &p->y);
    fe_sqr(&c, &b);
    fe_add(&t, &p->x, &b);
    fe_sqr(&t, &t);
    fe_sub(&t, &t, &a);
    fe_sub(&t, &t, &c);
    fe_add(&d, &t, &t);
    fe_add(&e, &a, &a);
    fe_add(&e, &e, &a);
    fe_sqr(&f, &e);
    fe_mul(&r->z, &p->y, &p->z);
    fe_add(&r->z, &r->z, &r->z);
    fe_sub(&f, &f, &d);
    fe_sub(&f, &f, &d);
    r->x = f;
    fe_sub(&t, &d, &f);
    fe_mul(&t, &e, &t);
    fe_add(&c, &c, &c);
    fe_add(&c, &c, &c);
    fe_add(&c, &c, &c);
    fe_sub(&t, &t, &c);
    r->y = t;
    r->is_identity = 0;
}

/* After H = u2 - u1 and R = s2 - s1 for points of equal Z: shared end of both additions. */
static void jacobian_end(
    jacobian *r, const fe *u1, const fe *s1, const fe *h, const fe *slope, const fe *z) {
    fe hh, hhh, v, t;
    fe_sqr(&hh, h);
    fe_mul(&hhh, &hh, h);
    fe_mul(&v, u1, &hh);
    fe_sqr(&t, slope);
    fe_sub(&t, &t, &hhh);
    fe_sub(&t, &t, &v);
    fe_sub(&t, &t, &v);
    fe_mul(&r->z, z, h);
    r->x = t;
    fe_sub(&t, &v, &t);
    fe_mul(&t, &t, slope);
    fe_mul(&hhh, &hhh, s1);
    fe_sub(&t, &t, &hhh);
    r->y = t;
    r->is_identity = 0;
}

static void jacobian_add_affine(jacobian *r, const jacobian *p, const affine *q) {
    if (p->is_identity) {
        jacobian_of(r, q);
        return;
    }
    fe zz, u2, s2, h, slope;
    fe_sqr(&zz, &p->z);
    fe_mul(&u2, &q->x, &zz);
    fe_mul(&s2, &q->y, &p->z);
    fe_mul(&s2, &s2, &zz);
    fe_sub(&h, &u2, &p->x);
    fe_sub(&slope, &s2, &p->y);
    if (fe_is_zero(&h)) {
        if (fe_is_zero(&slope)) {
            jacobian_double(r, p);
        } else {
            r->is_identity = 1;
        }
        return;
    }
    fe u1 = p->x, s1 = p->y, z = p->z;
    jacobian_end(r, &u1, &s1, &h, &slope, &z);
}

static void jacobian_add(jacobian *r, const jacobian *p, const jacobian *q) {
    if (p->is_identity) {
        *r = *q;
        return;
    }
    if (q->is_identity) {
        *r = *p;
        return;
    }
    fe z1z1, z2z2, u1, u2, s1, s2, h, slope, z;
    fe_sqr(&z1z1, &p->z);
    fe_sqr(&z2z2, &q->z);
    fe_mul(&u1, &p->x, &z2z2);
    fe_mul(&u2, &q->x, &z1z1);
    fe_mul(&s1, &p->y, &q->z);
    fe_mul(&s1, &s1, &z2z2);
    fe_mul(&s2, &q->y, &p->z);
    fe_mul(&s2, &s2, &z1z1);
    fe_sub(&h, &u2, &u1);
    fe_sub(&slope, &s2, &s1);
    if (fe_is_zero(&h)) {
        if (fe_is_zero(&slope)) {
            jacobian_double(r, p);
        } else {
            r->is_identity = 1;
        }
        return;
    }
    fe_mul(&z, &p->z, &q->z);
    jacobian_end(r, &u1, &s1, &h, &slope, &z);
}

/* Affine forms of ``count`` points, none the identity, with one inversion. ``scratch``: as many. */
static void to_affine(affine *out, const jacobian *in, size_t count, fe *scratch) {
    if (!count) return;
    fe product = in[0].z, inverse, zi, zz;
    for (size_t i = 0; i < count; i++) {
        scratch[i] = product; /* of z_0 ... z_i */
        if (i + 1 < count) fe_mul(&product, &product, &in[i + 1].z);
    }
    fe_inverse(&inverse, &product);
    for (size_t i = count; i-- > 0;) {
        if (i) {
            fe_mul(&zi, &inverse, &scratch[i - 1]);
            fe_mul(&inverse, &inverse, &in[i].z);
        } else {
            zi = inverse;
        }
        fe_sqr(&zz, &zi);
        fe_mul(&out[i].x, &in[i].x, &zz);
        fe_mul(&zz, &zz, &zi);
        fe_mul(&out[i].y, &in[i].y, &zz);
    }
}

/* -- many affine sums at once ------------------------------------------------------------------ */

/* Products are taken in so many chains, since one multiplication that waits for another takes twice
   as long as two that do not. */
#define CHAINS 4

static void invert_all(fe out[CHAINS], const fe in[CHAINS]) {
    fe before[CHAINS], inverse = in[0];
    for (int k = 1; k < CHAINS; k++) {
        before[k] = inverse;
        fe_mul(&inverse, &inverse, &in[k]);
    }
    fe_inverse(&inverse, &inverse);
    for (int k = CHAINS; k-- > 1;) {
        fe_mul(&out[k], &inverse, &before[k]);
        fe_mul(&inverse, &inverse, &in[k]);
    }
    out[0] = inverse;
}

/* Sums every bucket: bucket b holds points[start[b] .. start[b] + length[b]), and afterwards at most
   one, at points[start[b]]. In rounds: neighbours are added in pairs, all with one inversion.
   ``products`` has room for half as many elements as there are points. */
static void sum_buckets(
    affine *points, const uint32_t *start, uint32_t *length, size_t buckets, fe *products) {
    for (;;) {
        size_t pairs = 0;
        fe product[CHAINS], inverse[CHAINS], d;
        for (int k = 0; k < CHAINS; k++) product[k] = FE_ONE;
        for (size_t b = 0; b < buckets; b++) {
            const affine *at = points + start[b];
            for (uint32_t i = 0; i + 1 < length[b]; i += 2, pairs++) {
                fe_sub(&d, &at[i + 1].x, &at[i].x);
                if (fe_is_zero(&d)) {
                    /* equal: the tangent's 2y; opposite: nothing to invert */
                    fe_add(&d, &at[i].y, &at[i + 1].y);
                    if (fe_is_zero(&d)) d = FE_ONE;
                }
                fe *chain = &product[pairs % CHAINS];
                products[pairs] = *chain;
                fe_mul(chain, chain, &d);
            }
        }
        if (!pairs) return;
        invert_all(inverse, product);
        /* Backwards through the same pairs. A bucket's results are moved to its end first, so that
           nothing is written over before it is read, and then to its front. */
        for (size_t b = buckets; b-- > 0;) {
            const uint32_t count = length[b];
            if (count < 2) continue;
            affine *at = points + start[b];
            uint32_t end = count;
            if (count & 1) end--; /* the odd one stays at the very end */
            uint32_t free_at = end;
            for (uint32_t i = end; i >= 2;) {
                i -= 2;
                pairs--;
                const affine p = at[i], q = at[i + 1];
                fe rise, slope, t;
                int is_opposite = 0;
                fe_sub(&d, &q.x, &p.x);
                fe_sub(&rise, &q.y, &p.y);
                if (fe_is_zero(&d)) {
                    fe_add(&d, &p.y, &q.y);
                    if (fe_is_zero(&d)) {
                        is_opposite = 1;
                        d = FE_ONE;
                    } else {
                        fe_sqr(&rise, &p.x);
                        fe_add(&t, &rise, &rise);
                        fe_add(&rise, &rise, &t);
                    }
                }
                fe *chain = &inverse[pairs % CHAINS];
                fe_mul(&slope, chain, &products[pairs]);
                fe_mul(chain, chain, &d);
                if (is_opposite) continue;
                fe_mul(&slope, &slope, &rise);
                affine *sum = &at[--free_at];
                fe_sqr(&t, &slope);
                fe_sub(&t, &t, &p.x);
                fe_sub(&t, &t, &q.x);
                sum->x = t;
                fe_sub(&t, &p.x, &t);
                fe_mul(&t, &t, &slope);
                fe_sub(&t, &t, &p.y);
                sum->y = t;
            }
            const uint32_t left = count - free_at;
            memmove(at, at + free_at, left * sizeof *at);
            length[b] = left;
        }
    }
}

/* Room for sorting ``entries`` points into ``buckets``. */
typedef struct {
    affine *points, *sums;
    fe *products;
    int32_t *digits;
    uint32_t *start, *length, *group_start, *group_length;
    uint8_t *is_there;
} workspace;

static int workspace_make(workspace *w, size_t entries, size_t buckets) {
    const size_t most = entries > 2 * buckets + 2 ? entries : 2 * buckets + 2;
    w->points = malloc(most * sizeof *w->points);
    w->sums = malloc((2 * buckets + 2) * sizeof *w->sums);
    w->products = malloc((most / 2 + 1) * sizeof *w->products);
    w->digits = malloc((entries + 1) * sizeof *w->digits);
    w->start = malloc(4 * (buckets + 1) * sizeof *w->start);
    w->is_there = malloc(buckets + 1);
    if (w->start) {
        w->length = w->start + (buckets + 1);
        w->group_start = w->length + (buckets + 1);
        w->group_length = w->group_start + (buckets + 1);
    }
    return w->points && w->sums && w->products && w->digits && w->start && w->is_there;
}

static void workspace_free(workspace *w) {
    free(w->points);
    free(w->sums);
    free(w->products);
    free(w->digits);
    free(w->start);
    free(w->is_there);
}

/* Sum of v times point v - 1, where it is there. */
static void weigh_in_turn(jacobian *r, const affine *points, const uint8_t *is_there, size_t count) {
    jacobian running = {.is_identity = 1}, total = {.is_identity = 1};
    for (size_t v = count; v-- > 0;) {
        if (is_there[v]) jacobian_add_affine(&running, &running, &points[v]);
        jacobian_add(&total, &total, &running);
    }
    *r = total;
}

/* Sum of v times the point of bucket v - 1. With v = ROW a + b, 0 < b <= ROW, it is ROW times the
   weighted sum of the rows plus that of the columns, and rows and columns are sums without weights:
   two affine additions a bucket instead of two Jacobian ones. ``w->points`` is written over behind
   the buckets. */
#define ROW 16

static void weigh_buckets(jacobian *r, workspace *w, size_t buckets) {
    const size_t rows = buckets / ROW, groups = rows + ROW;
    if (buckets % ROW || rows < 4) {
        for (size_t b = 0; b < buckets; b++) {
            w->is_there[b] = (uint8_t)w->length[b];
            if (w->length[b]) w->sums[b] = w->points[w->start[b]];
        }
        weigh_in_turn(r, w->sums, w->is_there, buckets);
        return;
    }
    uint32_t place = 0;
    for (size_t g = 0; g < groups; g++) {
        w->group_start[g] = place;
        for (size_t i = 0; i < (g < rows ? ROW : rows); i++) {
            const size_t b = g < rows ? g * ROW + i : i * ROW + g - rows;
            if (w->length[b]) w->sums[place++] = w->points[w->start[b]];
        }
        w->group_length[g] = place - w->group_start[g];
    }
    sum_buckets(w->sums, w->group_start, w->group_length, groups, w->products);
    jacobian upper, lower;
    for (size_t g = 0; g < groups; g++) {
        w->is_there[g] = (uint8_t)w->group_length[g];
        if (w->group_length[g]) w->points[g] = w->sums[w->group_start[g]];
    }
    /* Row a has weight a, so row 0 has none. */
    weigh_in_turn(&upper, w->points + 1, w->is_there + 1, rows - 1);
    weigh_in_turn(&lower, w->points + rows, w->is_there + rows, ROW);
    for (int bit = 1; bit < ROW; bit *= 2) jacobian_double(&upper, &upper);
    jacobian_add(r, &upper, &lower);
}

/* Sum of digit i times entry i, for the digits in ``w->digits``, from -buckets to buckets. */
static void weigh_digits(
    jacobian *r, workspace *w, size_t entries, size_t buckets,
    void (*load)(affine *, const void *, size_t), const void *source) {
    memset(w->length, 0, buckets * sizeof *w->length);
    for (size_t i = 0; i < entries; i++) {
        if (w->digits[i]) w->length[abs(w->digits[i]) - 1]++;
    }
    uint32_t place = 0;
    for (size_t b = 0; b < buckets; b++) {
        w->start[b] = place;
        place += w->length[b];
        w->length[b] = 0;
    }
    for (size_t i = 0; i < entries; i++) {
        const int32_t digit = w->digits[i];
        if (!digit) continue;
        const size_t b = (size_t)abs(digit) - 1;
        affine *to = &w->points[w->start[b] + w->length[b]++];
        load(to, source, i);
        if (digit < 0) fe_neg(&to->y, &to->y);
    }
    sum_buckets(w->points, w->start, w->length, buckets, w->products);
    weigh_buckets(r, w, buckets);
}

/* -- scalars ----------------------------------------------------------------------------------- */

/* A half of a scalar: |value| < 2^129 and a sign. */
typedef struct {
    uint64_t n[3];
    int is_negative;
} half;

static const uint64_t G1[4] = {
    0xe893209a45dbb031, 0x3daa8a1471e8ca7f, 0xe86c90e49284eb15, 0x3086d221a7d46bcd};
static const uint64_t G2[4] = {
    0x1571b4ae8ac47f71, 0x221208ac9df506c6, 0x6f547fa90abfe4c4, 0xe4437ed6010e8828};
static const uint64_t A1[3] = {0xe86c90e49284eb15, 0x3086d221a7d46bcd, 0};
static const uint64_t MINUS_B1[3] = {0x6f547fa90abfe4c3, 0xe4437ed6010e8828, 0};
static const uint64_t A2[3] = {0x57c1108d9d44cfd8, 0x14ca50f7a8e2f3f6, 1};
static const fe BETA = {
    {0xc1396c28719501ee, 0x9cf0497512f58995, 0x6e64479eac3434e9, 0x7ae96a2b657c0710}};

/* round(k * g / 2^384), three words. */
static void multiply_and_shift(uint64_t r[3], const uint64_t k[4], const uint64_t g[4]) {
    uint64_t product[8] = {0};
    for (int i = 0; i < 4; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 4; j++) {
            const u128 t = (u128)k[i] * g[j] + product[i + j] + carry;
            product[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        product[i + 4] = carry;
    }
    u128 t = (u128)product[6] + (product[5] >> 63);
    r[0] = (uint64_t)t;
    t = (u128)product[7] + (uint64_t)(t >> 64);
    r[1] = (uint64_t)t;
    r[2] = (uint64_t)(t >> 64);
}

/* r += sign * a * b modulo 2^192. */
static void accumulate(uint64_t r[3], const uint64_t a[3], const uint64_t b[3], int is_negative) {
    uint64_t product[3] = {0};
    for (int i = 0; i < 3; i++) {
        uint64_t carry = 0;
        for (int j = 0; i + j < 3; j++) {
            const u128 t = (u128)a[i] * b[j] + product[i + j] + carry;
            product[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
    }
    uint64_t carry = (uint64_t)is_negative;
    for (int i = 0; i < 3; i++) {
        const u128 t = (u128)r[i] + (is_negative ? ~product[i] : product[i]) + carry;
        r[i] = (uint64_t)t;
        carry = (uint64_t)(t >> 64);
    }
}

static void make_positive(half *h) {
    h->is_negative = (int)(h->n[2] >> 63);
    if (h->is_negative) {
        uint64_t carry = 1;
        for (int i = 0; i < 3; i++) {
            const u128 t = (u128)~h->n[i] + carry;
            h->n[i] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
    }
}

/* k = low + high * lambda modulo q, where lambda * (x, y) = (beta * x, y). */
static void split_scalar(half *low, half *high, const unsigned char *bytes) {
    uint64_t k[4], c1[3], c2[3];
    memcpy(k, bytes, SCALAR_BYTES);
    memset(high, 0, sizeof *high);
    memset(low, 0, sizeof *low);
    memcpy(low->n, k, sizeof low->n);
    if (!(k[2] | k[3])) return; /* below 2^128 already: a weight */
    multiply_and_shift(c1, k, G1);
    multiply_and_shift(c2, k, G2);
    accumulate(low->n, c1, A1, 1);
    accumulate(low->n, c2, A2, 1);
    accumulate(high->n, c1, MINUS_B1, 0);
    accumulate(high->n, c2, A1, 1);
    make_positive(low);
    make_positive(high);
}

/* Bits at..at+width-1 of the words, zeros above them. */
static uint32_t bits_at(const uint64_t *words, int count, int at, int width) {
    const int word = at >> 6, shift = at & 63;
    if (word >= count) return 0;
    uint64_t found = words[word] >> shift;
    if (shift + width > 64 && word + 1 < count) found |= words[word + 1] << (64 - shift);
    return (uint32_t)(found & ((1ULL << width) - 1));
}

/* Signed odd digits, at most one in five places not zero; returns the number of places. */
static int non_adjacent(int8_t *digits, const half *h) {
    memset(digits, 0, HALF_BITS + 2);
    int carry = 0, last = 0, at = 0;
    while (at <= HALF_BITS) {
        if ((int)bits_at(h->n, 3, at, 1) == carry) {
            at++;
            continue;
        }
        int value = (int)bits_at(h->n, 3, at, NAF_WIDTH) + carry;
        carry = value >> (NAF_WIDTH - 1) & 1;
        value -= carry << NAF_WIDTH;
        digits[at] = (int8_t)(h->is_negative ? -value : value);
        last = at + 1;
        at += NAF_WIDTH;
    }
    return last;
}

/* -- sums of multiples ------------------------------------------------------------------------- */

/* Strauss: odd multiples of each point, shared doublings. Returns 0 without memory. */
static int sum_few(
    jacobian *r, const unsigned char *scalars, const unsigned char *points, size_t count) {
    affine *multiples = malloc(count * NAF_TABLE * sizeof *multiples);
    jacobian *wide = malloc(count * NAF_TABLE * sizeof *wide);
    fe *scratch = malloc(count * NAF_TABLE * sizeof *scratch);
    fe *twins = malloc(count * NAF_TABLE * sizeof *twins); /* beta * x */
    int8_t(*digits)[2][HALF_BITS + 2] = malloc(count * sizeof *digits);
    const int is_possible = multiples && wide && scratch && twins && digits;
    if (is_possible) {
        int places = 0;
        for (size_t i = 0; i < count; i++) {
            affine p;
            jacobian twice;
            affine_load(&p, points + POINT_BYTES * i);
            jacobian *row = wide + NAF_TABLE * i;
            jacobian_of(row, &p);
            jacobian_double(&twice, row);
            /* q is prime and large: no odd multiple up to 15 is the identity, or 2P. */
            for (int j = 1; j < NAF_TABLE; j++) jacobian_add(row + j, row + j - 1, &twice);
            half low, high;
            split_scalar(&low, &high, scalars + SCALAR_BYTES * i);
            const int first = non_adjacent(digits[i][0], &low);
            const int second = non_adjacent(digits[i][1], &high);
            if (first > places) places = first;
            if (second > places) places = second;
        }
        to_affine(multiples, wide, count * NAF_TABLE, scratch);
        for (size_t i = 0; i < count * NAF_TABLE; i++) fe_mul(&twins[i], &multiples[i].x, &BETA);
        jacobian total = {.is_identity = 1};
        for (int at = places; at-- > 0;) {
            jacobian_double(&total, &total);
            for (size_t i = 0; i < count; i++) {
                for (int part = 0; part < 2; part++) {
                    const int digit = digits[i][part][at];
                    if (!digit) continue;
                    const size_t place = NAF_TABLE * i + (size_t)(abs(digit) >> 1);
                    affine p = multiples[place];
                    if (part) p.x = twins[place];
                    if (digit < 0) fe_neg(&p.y, &p.y);
                    jacobian_add_affine(&total, &total, &p);
                }
            }
        }
        *r = total;
    }
    free(multiples);
    free(wide);
    free(scratch);
    free(twins);
    free(digits);
    return is_possible;
}

static void load_half_point(affine *r, const void *source, size_t i) {
    *r = ((const affine *)source)[i];
}

/* Pippenger over both halves of every scalar. Returns 0 without memory. */
static int sum_many(
    jacobian *r, const unsigned char *scalars, const unsigned char *points, size_t count,
    int width) {
    const size_t entries = 2 * count, buckets = (size_t)1 << (width - 1);
    workspace w;
    const int has_workspace = workspace_make(&w, entries, buckets);
    affine *halves = malloc(entries * sizeof *halves);
    half *parts = malloc(entries * sizeof *parts);
    uint8_t *carries = calloc(entries, 1);
    /* Digits from the lowest place up, the sums joined from the highest down. */
    const int places = HALF_BITS / width + 1;
    jacobian *sums = malloc((size_t)places * sizeof *sums);
    const int is_possible = has_workspace && halves && parts && carries && sums;
    if (is_possible) {
        for (size_t i = 0; i < count; i++) {
            split_scalar(&parts[2 * i], &parts[2 * i + 1], scalars + SCALAR_BYTES * i);
            affine_load(&halves[2 * i], points + POINT_BYTES * i);
            fe_mul(&halves[2 * i + 1].x, &halves[2 * i].x, &BETA);
            halves[2 * i + 1].y = halves[2 * i].y;
        }
        for (int place = 0; place < places; place++) {
            for (size_t i = 0; i < entries; i++) {
                int32_t digit = (int32_t)bits_at(parts[i].n, 3, place * width, width);
                digit += carries[i];
                carries[i] = digit > (int32_t)buckets;
                digit -= carries[i] << width;
                w.digits[i] = parts[i].is_negative ? -digit : digit;
            }
            weigh_digits(&sums[place], &w, entries, buckets, load_half_point, halves);
        }
        jacobian total = sums[places - 1];
        for (int place = places - 1; place-- > 0;) {
            for (int bit = 0; bit < width; bit++) jacobian_double(&total, &total);
            jacobian_add(&total, &total, &sums[place]);
        }
        *r = total;
    }
    workspace_free(&w);
    free(halves);
    free(parts);
    free(carries);
    free(sums);
    return is_possible;
}

static void load_multiple(affine *r, const void *source, size_t i) {
    const unsigned char *const *bases = source;
    affine_load(r, bases[i / FIXED_MULTIPLES] + POINT_BYTES * (i % FIXED_MULTIPLES));
}

/* All digits of all scalars in the same buckets. Returns 0 without memory. */
static int sum_fixed(
    jacobian *r, const unsigned char *scalars, const unsigned char *const *bases, size_t count) {
    const size_t entries = count * FIXED_MULTIPLES;
    workspace w;
    const int is_possible = workspace_make(&w, entries, FIXED_BUCKETS);
    if (is_possible) {
        for (size_t i = 0; i < count; i++) {
            int carry = 0;
            for (int j = 0; j < FIXED_MULTIPLES; j++) {
                int digit = carry + (j < SCALAR_BYTES ? scalars[SCALAR_BYTES * i + j] : 0);
                carry = digit > FIXED_BUCKETS;
                w.digits[FIXED_MULTIPLES * i + j] = digit - (carry << FIXED_WIDTH);
            }
        }
        weigh_digits(r, &w, entries, FIXED_BUCKETS, load_multiple, bases);
    }
    workspace_free(&w);
    return is_possible;
}

/* Below so many points, Strauss; above, buckets of a width that grows with the number (measured). */
static int bucket_width(size_t count) {
    static const struct {
        size_t from;
        int width;
    } choice[] = {{12000, 12}, {5000, 11}, {1800, 10}, {900, 9}, {450, 8}, {220, 7}, {WIDTH_6_FROM, 6}};
    for (size_t i = 0; i < sizeof choice / sizeof *choice; i++) {
        if (count >= choice[i].from) return choice[i].width;
    }
    return 0;
}

static int sum_variable(
    jacobian *r, const unsigned char *scalars, const unsigned char *points, size_t count) {
    r->is_identity = 1;
    if (!count) return 1;
    const int width = bucket_width(count);
    return width ? sum_many(r, scalars, points, count, width) : sum_few(r, scalars, points, count);
}

/* -- decoding ---------------------------------------------------------------------------------- */

/* SEC 1, compressed: 33 bytes. Returns whether they are a point. */
static int decode_point(unsigned char *out, const unsigned char *in) {
    if (in[0] != 2 && in[0] != 3) return 0;
    unsigned char little[32], again[32];
    for (int i = 0; i < 32; i++) little[i] = in[32 - i];
    affine p;
    fe_load(&p.x, little);
    fe_store(again, &p.x);
    if (memcmp(little, again, 32)) return 0; /* not below p */
    static const fe SEVEN = {{7, 0, 0, 0}};
    fe square;
    fe_sqr(&square, &p.x);
    fe_mul(&square, &square, &p.x);
    fe_add(&square, &square, &SEVEN);
    if (!fe_sqrt(&p.y, &square)) return 0;
    if (fe_is_odd(&p.y) != (in[0] & 1)) fe_neg(&p.y, &p.y);
    affine_store(out, &p);
    return 1;
}

/* -- the module -------------------------------------------------------------------------------- */

static PyObject *decode(PyObject *module, PyObject *argument) {
    (void)module;
    if (!PyBytes_Check(argument)) {
        PyErr_SetString(PyExc_TypeError, "bytes are needed");
        return NULL;
    }
    const Py_ssize_t size = PyBytes_GET_SIZE(argument);
    if (size % 33) {
        PyErr_SetString(PyExc_ValueError, "points are 33 bytes each");
        return NULL;
    }
    const Py_ssize_t count = size / 33;
    PyObject *result = PyBytes_FromStringAndSize(NULL, count * POINT_BYTES);
    if (!result) return NULL;
    const unsigned char *in = (const unsigned char *)PyBytes_AS_STRING(argument);
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(result);
    int is_valid = 1;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count && is_valid; i++) {
        is_valid = decode_point(out + POINT_BYTES * i, in + 33 * i);
    }
    Py_END_ALLOW_THREADS
    if (!is_valid) {
        Py_DECREF(result);
        PyErr_SetString(PyExc_ValueError, "not a compressed point of secp256k1 (SEC 1)");
        return NULL;
    }
    return result;
}

static PyObject *multiples(PyObject *module, PyObject *argument) {
    (void)module;
    if (!PyBytes_Check(argument) || PyBytes_GET_SIZE(argument) != POINT_BYTES) {
        PyErr_SetString(PyExc_ValueError, "a point of 64 bytes is needed");
        return NULL;
    }
    jacobian wide[FIXED_MULTIPLES];
    affine narrow[FIXED_MULTIPLES];
    fe scratch[FIXED_MULTIPLES];
    unsigned char out[FIXED_MULTIPLES * POINT_BYTES];
    affine p;
    affine_load(&p, (const unsigned char *)PyBytes_AS_STRING(argument));
    jacobian_of(&wide[0], &p);
    for (int i = 1; i < FIXED_MULTIPLES; i++) {
        wide[i] = wide[i - 1];
        for (int bit = 0; bit < FIXED_WIDTH; bit++) jacobian_double(&wide[i], &wide[i]);
    }
    to_affine(narrow, wide, FIXED_MULTIPLES, scratch);
    for (int i = 0; i < FIXED_MULTIPLES; i++) affine_store(out + POINT_BYTES * i, &narrow[i]);
    return PyBytes_FromStringAndSize((const char *)out, sizeof out);
}

static PyObject *sum_of_multiples(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *fixed_scalars, *bases, *scalars, *points;
    if (!PyArg_ParseTuple(
            arguments, "SO!SS:sum_of_multiples", &fixed_scalars, &PyTuple_Type, &bases, &scalars,
            &points)) {
        return NULL;
    }
    const Py_ssize_t fixed = PyTuple_GET_SIZE(bases);
    const Py_ssize_t count = PyBytes_GET_SIZE(points) / POINT_BYTES;
    if (PyBytes_GET_SIZE(fixed_scalars) != fixed * SCALAR_BYTES ||
        PyBytes_GET_SIZE(scalars) != count * SCALAR_BYTES || PyBytes_GET_SIZE(points) % POINT_BYTES ||
        fixed > MAX_TERMS || count > MAX_TERMS) {
        PyErr_SetString(PyExc_ValueError, "as many scalars of 32 bytes as points are needed");
        return NULL;
    }
    const unsigned char **tables = malloc(((size_t)fixed + 1) * sizeof *tables);
    if (!tables) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < fixed; i++) {
        PyObject *table = PyTuple_GET_ITEM(bases, i);
        if (!PyBytes_Check(table) || PyBytes_GET_SIZE(table) != FIXED_MULTIPLES * POINT_BYTES) {
            free(tables);
            PyErr_SetString(PyExc_ValueError, "a base is what `multiples` returned");
            return NULL;
        }
        tables[i] = (const unsigned char *)PyBytes_AS_STRING(table);
    }
    jacobian first = {.is_identity = 1}, second = {.is_identity = 1};
    unsigned char out[POINT_BYTES];
    int has_memory = 1;
    /* The caller holds the tuple and the bytes, none of which can change. */
    Py_BEGIN_ALLOW_THREADS
    if (fixed) {
        has_memory = sum_fixed(
            &first, (const unsigned char *)PyBytes_AS_STRING(fixed_scalars), tables, (size_t)fixed);
    }
    has_memory = has_memory && sum_variable(
        &second, (const unsigned char *)PyBytes_AS_STRING(scalars),
        (const unsigned char *)PyBytes_AS_STRING(points), (size_t)count);
    if (has_memory) {
        jacobian_add(&first, &first, &second);
        if (!first.is_identity) {
            affine p;
            fe scratch;
            to_affine(&p, &first, 1, &scratch);
            affine_store(out, &p);
        }
    }
    Py_END_ALLOW_THREADS
    free(tables);
    if (!has_memory) return PyErr_NoMemory();
    return PyBytes_FromStringAndSize((const char *)out, first.is_identity ? 0 : POINT_BYTES);
}

static PyMethodDef methods[] = {
    {"decode", decode, METH_O, "Compressed points of 33 bytes each, as points of 64 bytes."},
    {"multiples", multiples, METH_O, "A point times 2^(8j) for j = 0 ... 32."},
    {"sum_of_multiples", sum_of_multiples, METH_VARARGS,
     "(fixed scalars, multiples of each, scalars, points) to the sum of all."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_group", "Sums of multiples of points of secp256k1; public numbers only.",
    0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__group(void) { return PyModule_Create(&definition); }
