// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";

/// @notice An account owner that is a contract. Derived contracts say what it does with the ether it gets.
abstract contract Owner {
    ILedger internal immutable ledger;

    constructor(ILedger ledger_) payable {
        ledger = ledger_;
        if (msg.value > 0) ledger_.deposit{value: msg.value}();
    }

    function withdraw(uint256 amount) external {
        ledger.withdraw(amount);
    }
}

/// @notice Refuses ether.
contract RefusingOwner is Owner {
    constructor(ILedger ledger_) payable Owner(ledger_) {}
}

/// @notice Accepts ether and withdraws again while the first withdrawal still runs.
contract ReenteringOwner is Owner {
    uint256 public calls;

    constructor(ILedger ledger_) payable Owner(ledger_) {}

    receive() external payable {
        ++calls;
        uint256 left = ledger.accountOf(address(this)).available;
        if (left >= msg.value) ledger.withdraw(msg.value);
    }
}

/// @notice Withdraws everything again and again; must fail as a whole.
contract GreedyOwner is Owner {
    constructor(ILedger ledger_) payable Owner(ledger_) {}

    receive() external payable {
        ledger.withdraw(msg.value);
    }
}

/// @notice Returns a million bytes.
contract ReturnBombOwner is Owner {
    constructor(ILedger ledger_) payable Owner(ledger_) {}

    receive() external payable {
        assembly {
            return(0, 1000000)
        }
    }
}

/// @notice Burns all gas it gets.
contract GasBurningOwner is Owner {
    constructor(ILedger ledger_) payable Owner(ledger_) {}

    receive() external payable {
        while (true) {}
    }
}
