// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Rules} from "./Rules.sol";
import {ILedger} from "./interfaces/ILedger.sol";
import {IRules} from "./interfaces/IRules.sol";
import {IServiceRegistry} from "./interfaces/IServiceRegistry.sol";
import {Pages} from "./libraries/Pages.sol";
import {Service, ServiceCounters, ServiceTerms, Unit} from "./types/Service.sol";

/// @title ServiceRegistry: what providers offer
/// @notice The part of FineTuningServing that manages services. TaskRegistry, Disputes and FineTuningServing build on
/// it.
abstract contract ServiceRegistry is IServiceRegistry {
    /// @notice The part of the terms that applies to a task from its creation to its end.
    /// @dev Never changed once written, so a task refers to its offer by number and needs no copy. Providers seldom
    /// create a new one.
    struct Offer {
        address provider; // whose offer it is
        uint32 maxTrainingTime; // seconds
        uint32 createdBlock; // block of the event with all of its terms
        uint16 bondBps; // basis points of the fee
        uint16 unacknowledgedBps; // basis points of the fee
    }

    /// @notice A service in storage.
    /// @dev An order reads only the first slot; a payment writes only the second.
    struct ServiceRecord {
        uint96 pricePerUnit; // neuron per unit
        uint64 minimumUnits; // fewest units of an order
        Unit unit; // unit that datasets are counted in
        uint16 openTasksPerUser; // maximum number of open tasks per user
        bool accepting; // whether new tasks can be ordered
        uint32 offer; // number of the current offer, from 1; 0 if there is no service
        bool listed; // has a place in `_listed`, even if removed since
        bytes1 encryptionKeyPrefix; // 2 or 3: parity of the point's y
        uint128 earned; // neuron paid by users
        // As in ServiceCounters. They outlive the service: no provider loses its history by registering again.
        uint32 open; // not ended yet
        uint32 confirmed; // the user confirmed the model
        uint32 finalized; // the user let the dispute period pass
        uint32 lapsed; // the user never acknowledged the delivery
        uint32 refused; // given up before acceptance
        uint32 failed; // given up after acceptance
        uint32 expired; // the provider missed a deadline
        uint32 slashed; // misbehaviour was proved
        uint40 failedAt; // unix seconds of the last broken promise, 0 if there was none
        address operator; // who works for the provider
        bytes32 encryptionKeyX; // the point's x
        bytes32 catalogueHash; // keccak256 of the catalogue
        string url; // address of the provider's API
    }

    /// @inheritdoc IServiceRegistry
    ILedger public immutable ledger;
    /// @inheritdoc IServiceRegistry
    IRules public immutable rules = new Rules();
    /// @inheritdoc IServiceRegistry
    uint256 public immutable minimumStake;

    /// @dev Kept when a service is removed, for its counters.
    mapping(address provider => ServiceRecord) internal _services;
    /// @dev Offers by number, from 1.
    mapping(uint256 number => Offer) internal _offers;
    /// @dev Number of the newest offer.
    uint32 private _offerCount;
    /// @dev Providers in the order of first registration. Never shrinks, so places do not change.
    address[] private _listed;

    /// @notice Sets the immutable parameters.
    /// @dev Reverts with ServingParameterOutOfBounds.
    /// @param ledger_ the Ledger; an address without code is refused
    /// @param minimumStake_ neuron, at most 2^96 - 1
    constructor(ILedger ledger_, uint256 minimumStake_) {
        if (address(ledger_).code.length == 0) {
            revert ServingParameterOutOfBounds("ledger", uint160(address(ledger_)));
        }
        if (minimumStake_ == 0 || minimumStake_ > type(uint96).max) {
            revert ServingParameterOutOfBounds("minimumStake", minimumStake_);
        }
        ledger = ledger_;
        minimumStake = minimumStake_;
    }

    /// @inheritdoc IServiceRegistry
    function registerService(ServiceTerms calldata terms) external {
        ServiceRecord storage service = _services[msg.sender];
        if (service.offer != 0) revert ServingServiceExists(msg.sender);
        _write(service, terms);
        if (!service.listed) {
            service.listed = true;
            _listed.push(msg.sender);
        }
        emit ServiceRegistered(msg.sender, minimumStake, service.offer, terms);
        ledger.reserve(msg.sender, msg.sender, minimumStake);
    }

    /// @inheritdoc IServiceRegistry
    function updateService(ServiceTerms calldata terms) external {
        ServiceRecord storage service = _registered(msg.sender);
        _write(service, terms);
        emit ServiceUpdated(msg.sender, service.offer, terms);
    }

    /// @inheritdoc IServiceRegistry
    function removeService() external {
        ServiceRecord storage service = _registered(msg.sender);
        if (service.open != 0) revert ServingTasksOpen(msg.sender, service.open);
        service.offer = 0;
        emit ServiceRemoved(msg.sender, minimumStake);
        ledger.release(msg.sender, msg.sender, minimumStake);
    }

    /// @inheritdoc IServiceRegistry
    function serviceOf(address provider) public view returns (Service memory) {
        ServiceRecord storage service = _registered(provider);
        Offer storage offer = _offers[service.offer];
        ServiceTerms memory terms = ServiceTerms({
            pricePerUnit: service.pricePerUnit,
            minimumUnits: service.minimumUnits,
            unit: service.unit,
            maxTrainingTime: offer.maxTrainingTime,
            bondBps: offer.bondBps,
            unacknowledgedBps: offer.unacknowledgedBps,
            openTasksPerUser: service.openTasksPerUser,
            accepting: service.accepting,
            operator: service.operator,
            catalogueHash: service.catalogueHash,
            encryptionKey: abi.encodePacked(service.encryptionKeyPrefix, service.encryptionKeyX),
            url: service.url
        });
        return
            Service({
                provider: provider,
                stake: uint96(minimumStake),
                offer: service.offer,
                terms: terms,
                counters: _countersOf(service),
                earned: service.earned,
                failedAt: service.failedAt
            });
    }

    /// @inheritdoc IServiceRegistry
    function serviceCount() external view returns (uint256) {
        return _listed.length;
    }

    /// @inheritdoc IServiceRegistry
    function services(uint256 offset, uint256 limit) external view returns (Service[] memory page) {
        (uint256 start, uint256 end) = Pages.bounds(_listed.length, offset, limit);
        uint256 live;
        for (uint256 i = start; i < end; ++i) {
            if (_services[_listed[i]].offer != 0) ++live;
        }
        page = new Service[](live);
        uint256 filled;
        for (uint256 i = start; filled < live; ++i) {
            if (_services[_listed[i]].offer == 0) continue;
            page[filled] = serviceOf(_listed[i]);
            ++filled;
        }
    }

    /// @notice The counters of a service.
    /// @param service its record
    /// @return the counters
    function _countersOf(ServiceRecord storage service) private view returns (ServiceCounters memory) {
        return
            ServiceCounters({
                open: service.open,
                confirmed: service.confirmed,
                finalized: service.finalized,
                lapsed: service.lapsed,
                refused: service.refused,
                failed: service.failed,
                expired: service.expired,
                slashed: service.slashed
            });
    }

    /// @notice The record of a registered service.
    /// @dev Reverts with ServingUnknownService.
    /// @param provider whose service it is
    /// @return service the record
    function _registered(address provider) internal view returns (ServiceRecord storage service) {
        service = _services[provider];
        if (service.offer == 0) revert ServingUnknownService(provider);
    }

    /// @notice Checks terms and stores them.
    /// @dev Reverts with ServingInvalidTerms, ServingInvalidPublicKey.
    /// @param service the caller's service
    /// @param terms its new terms
    function _write(ServiceRecord storage service, ServiceTerms calldata terms) private {
        rules.checkTerms(terms);
        service.offer = _offerFor(service, terms);
        service.pricePerUnit = terms.pricePerUnit;
        service.minimumUnits = terms.minimumUnits;
        service.unit = terms.unit;
        service.openTasksPerUser = terms.openTasksPerUser;
        service.accepting = terms.accepting;
        service.operator = terms.operator;
        service.encryptionKeyPrefix = terms.encryptionKey[0];
        service.encryptionKeyX = bytes32(terms.encryptionKey[1:]);
        service.catalogueHash = terms.catalogueHash;
        service.url = terms.url;
    }

    /// @notice The current offer if an order would bind the same, else a new one.
    /// @param service the caller's service, with its old terms
    /// @param terms its new terms
    /// @return number of the offer with these terms
    function _offerFor(ServiceRecord storage service, ServiceTerms calldata terms) private returns (uint32 number) {
        if (service.offer != 0 && _bindsTheSame(service, terms)) return service.offer;
        number = ++_offerCount;
        _offers[number] = Offer({
            provider: msg.sender,
            maxTrainingTime: uint32(terms.maxTrainingTime),
            createdBlock: uint32(block.number),
            bondBps: terms.bondBps,
            unacknowledgedBps: terms.unacknowledgedBps
        });
    }

    /// @notice Whether new terms are, in all that an order binds, those of the current offer.
    /// @param service the service, with its old terms
    /// @param terms the new terms
    /// @return whether they are
    function _bindsTheSame(ServiceRecord storage service, ServiceTerms calldata terms) private view returns (bool) {
        Offer memory offer = _offers[service.offer];
        return
            service.pricePerUnit == terms.pricePerUnit &&
            service.minimumUnits == terms.minimumUnits &&
            service.unit == terms.unit &&
            offer.maxTrainingTime == terms.maxTrainingTime &&
            offer.bondBps == terms.bondBps &&
            offer.unacknowledgedBps == terms.unacknowledgedBps &&
            service.operator == terms.operator &&
            service.catalogueHash == terms.catalogueHash &&
            service.encryptionKeyPrefix == terms.encryptionKey[0] &&
            service.encryptionKeyX == bytes32(terms.encryptionKey[1:]);
    }
}
